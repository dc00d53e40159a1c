// Scores as a tokenizer.json has them.
#pragma once

#include "runtime/slice.h"

// A number of JSON, rounded as the reference's reader rounds it: the digits, at most 64 bits of
// them, become a double, which is then multiplied or divided by a power of ten, so that the last
// bit may be another than that of the nearest double. Sums of scores tell one way to cut a word
// from another, and some only differ in that bit. False: too large, or no number.
//
// Source: serde_json, de.rs, f64_from_parts, without the feature float_roundtrip.
bool ft_score_parse(ft_slice text, double *out);
