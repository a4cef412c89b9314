# The worker as a container image; docs/image.md says how it is built, run and tested.
# For a release, name the base by its digest: --build-arg BASE=python:3.11-slim@sha256:...
ARG BASE=python:3.11-slim

# The lock is complete and hashed: nothing is resolved. Only wheels are taken, which it has for amd64 and arm64: there is
# no compiler.
FROM ${BASE} AS build
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --no-deps --only-binary :all: \
      -r requirements/runtime.txt \
 && python -m pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/build.txt
# What of these folders comes along is said in .dockerignore.
COPY pyproject.toml README.md ./
COPY battery_watch battery_watch
COPY consumer consumer
COPY models/default models/default
COPY reporting reporting
COPY scoring scoring
COPY window window
RUN python -m hatchling build --target wheel \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl

FROM ${BASE} AS worker
ARG REVISION=unknown
LABEL org.opencontainers.image.title="battery-watch" \
      org.opencontainers.image.description="Watches charging batteries: every sample scored, every anomaly told" \
      org.opencontainers.image.version="0.2.0.dev0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/venv /opt/venv
# All that is ever written lies in /tmp: the pulse, and matplotlib's list of fonts.
ENV PATH=/opt/venv/bin:$PATH \
    TMPDIR=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib
# So that it can be written where the root is read-only.
VOLUME /tmp
USER 65532:65532
STOPSIGNAL SIGTERM
# There is no pulse before the worker owns the table or stands by: a start has the time that its checks may take.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 CMD ["battery-watch", "healthcheck"]
ENTRYPOINT ["battery-watch"]
CMD ["run"]
