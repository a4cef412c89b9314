-- The archive of anomalous samples as a table in Athena. Put your bucket (RESULTS_BUCKET_NAME) in the place of BUCKET,
-- twice, and run the statements one by one. Partitions are computed by projection: none are ever added, nothing crawls.
--
-- Every query must say device_folder = '...' (or IN with literals), and should say dt: it decides what is read.
-- device_folder is the device's name as it stands in the keys. Letters, digits and _ . - ~ @ : + stand as they are, all
-- else as %XX of its UTF-8 bytes: rack/7 is rack%2F7. A name of dots alone has each as %2E. The column device has the
-- name itself. dt and hour are of the sample's own time, in UTC.

CREATE EXTERNAL TABLE IF NOT EXISTS battery_events (
  `device` string,
  `ts` double,
  `datetime` string,
  `severity` string,
  `kinds` array<string>,
  `rules` array<struct<rule:string,value:double,limit:double,reading:string>>,
  `stages` array<string>,
  `actual` struct<current_a:double,temperature_c:double>,
  `expected` struct<current_a:double,temperature_c:double>,
  `expected_band` struct<current_a:array<double>,temperature_c:array<double>>,
  `forecast` struct<reading:string,severity:string,limit:double,at:double,in_s:double,rate:double>,
  `reconstruction` struct<current_a:double,temperature_c:double>,
  `scores` struct<
    reconstruction_error:struct<value:double,threshold:double,exceeded:boolean>,
    forest:struct<value:double,threshold:double,exceeded:boolean>
  >,
  `contributions` map<string,double>,
  `forest_features` map<string,double>,
  `rarity` string,
  `model` string
)
PARTITIONED BY (`device_folder` string, `dt` string, `hour` int)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://BUCKET/battery-events/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.device_folder.type' = 'injected',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2020-01-01,NOW+1DAYS',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hour.type' = 'integer',
  'projection.hour.range' = '0,23',
  'projection.hour.digits' = '2',
  'storage.location.template' = 's3://BUCKET/battery-events/device=${device_folder}/dt=${dt}/hour=${hour}/'
);

-- Lines of version 0.1.0 have no kinds and no rules; their `expected` is what is called `reconstruction` here.

-- What was grave on a day, the worst first: what was measured, what was expected, and by how much the error was over.
SELECT from_iso8601_timestamp("datetime") AS happened,
       severity,
       actual.current_a,
       expected.current_a AS expected_current_a,
       actual.temperature_c,
       expected.temperature_c AS expected_temperature_c,
       scores.reconstruction_error.value / scores.reconstruction_error.threshold AS times_threshold
FROM battery_events
WHERE device_folder = 'device4'
  AND dt = '2026-11-22'
  AND severity IN ('high', 'critical')
ORDER BY times_threshold DESC
LIMIT 100;

-- Two devices over a week, by day and severity: how many anomalous samples, how many of them the forest flagged, the
-- hottest, and what share of the error was the temperature's on average.
SELECT device,
       dt,
       severity,
       count(*) AS samples,
       count_if(scores.forest.exceeded) AS by_forest,
       max(actual.temperature_c) AS hottest_c,
       avg(element_at(contributions, 'temperature')) AS temperature_share
FROM battery_events
WHERE device_folder IN ('device4', 'rack%2F7')
  AND dt BETWEEN '2026-11-16' AND '2026-11-22'
GROUP BY device, dt, severity
ORDER BY device, dt, samples DESC;
