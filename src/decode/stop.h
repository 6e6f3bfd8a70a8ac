#pragma once
#include <string>

#include "src/decode/options.h"

namespace usam::decode {

// Whether the tokens' text holds one of options.stop.
bool holds_stop(const Ids& ids, const Options& options);

// The tokens' text up to the first of options.stop; "" without a tokenizer.
std::string text_of(const Ids& ids, const Options& options);

}  // namespace usam::decode
