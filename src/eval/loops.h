#pragma once
#include "src/text/error_rate.h"

namespace usam::eval {

// Whether a decoder got stuck: some stretch of up to 8 words stands five or more times in a row in the hypothesis, and
// more often than in any reference.
bool is_looping(const text::TextPair& pair);

}  // namespace usam::eval
