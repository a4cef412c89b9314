"""The sentences on the page for subscribers are the product's."""

from __future__ import annotations

import twenty_sentences as twenty

from scoring.feature_words import WORDS

AT_LEAST = 20


def test_the_page_has_what_the_product_says() -> None:
    """`make contract` writes it."""
    text = twenty.PAGE.read_text()
    assert twenty.page(text) == text


def test_each_sentence_is_one_that_a_technician_would_write() -> None:
    """One line, no features, none twice."""
    told = dict(twenty.sentences())
    assert len({*told.values()}) == len(twenty.STORIES) >= AT_LEAST
    features = {words for name, (words, _) in WORDS.items() if name not in ("current", "temperature")}
    for sentence in told.values():
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert "-0.00" not in sentence
        assert not any(words in sentence.lower() for words in features)
