"""Names as files and peers may have them, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

# What readers of lines, lists, JSON and CSV give a meaning.
_SIGNS = st.sampled_from("\n\r\t\v\f\x1c\x85\u2028\u2029\u202e\0 \"'\\,;#=+-@/")
_TEXT = _SIGNS | st.characters(exclude_categories=["Cs"])
UTF8 = st.text(_TEXT)
# As Python gives the names of files: bytes that are not UTF-8 are surrogates of the second half.
NAMES = st.text(
    _TEXT | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"])
)
