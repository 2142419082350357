"""What a free text tells of itself: its language, and how an English one sounds."""

import re
from functools import cache, lru_cache
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.sources.standard.answers import with_answers

# Below it a guess is not worth having: NULL says more.
LEAST_CERTAINTY = 0.9
_LEAST_LETTERS = 12
_LEAST_IDEOGRAPHS = 4
_LONGEST = 2_000  # what follows changes neither language nor mood
_NO_WORDS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# The rarer a language the likelier that the model mistakes a slip of a common one for it.
_LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id",
    "it", "ja", "ko", "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "ta", "te", "th",
    "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip


def with_text_features(rows: DataFrame, text: str) -> DataFrame:
    """`rows` with `language` and `sentiment` of a text column where the source gave none, if `rows` has those columns.

    `language` is ISO 639-1, and NULL where the text is too short or too unclear to tell. `sentiment` is -1 to 1, of
    English texts only.
    """
    given = [name for name in ("language", "sentiment") if name in rows.columns]
    if not given:
        return rows
    language = F.col("language") if "language" in given else F.lit(None).cast("string")
    wanted = F.when(F.greatest(*(F.col(name).isNull() for name in given)), F.col(text))
    told = with_answers(rows, "_told", features, "language string, sentiment double", wanted, language, repeated=False)
    return told.withColumns({name: F.coalesce(name, f"_told.{name}") for name in given}).drop("_told")


def features(text: str | None, given: str | None) -> tuple[str | None, float | None]:
    """Language and sentiment of a text. `given`: its language as the source says."""
    if not text:
        return None, None
    language = given or language_of(text)
    return language, _mood().polarity_scores(text[:_LONGEST])["compound"] if language == "en" else None


@lru_cache(1 << 12)
def language_of(text: str) -> str | None:
    """The language of a text in ISO 639-1; None where it is too short or too unclear to tell."""
    words = " ".join(_NO_WORDS.sub(" ", text[:_LONGEST]).split())
    letters, ideographs = sum(map(str.isalpha, words)), len(_IDEOGRAPHS.findall(words))
    if letters < _LEAST_LETTERS and ideographs < _LEAST_IDEOGRAPHS:
        return None
    language, certainty = _languages().classify(words)
    return str(language) if certainty >= LEAST_CERTAINTY else None


@cache
def _languages() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages(list(_LANGUAGES))
    return model


@cache
def _mood() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

    return SentimentIntensityAnalyzer()
