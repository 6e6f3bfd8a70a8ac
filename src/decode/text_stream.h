#pragma once
#include <string>

#include "src/decode/options.h"

namespace usam::decode {

// The text of an answer while its tokens come in: what has been told is never taken back.
class TextStream {
 public:
  // The options have a tokenizer and outlive the stream.
  explicit TextStream(const Options& options) : options_(options) {}

  // What the tokens so far add to the text told. Held back until more is known: a character whose bytes are not all
  // there, and what may be the beginning of a stop text. Of several beams nothing, as the best one so far may change.
  std::string next(const Ids& so_far);
  // What is left to tell of the whole text.
  std::string rest(const std::string& text);

 private:
  const Options& options_;
  std::string told_;
};

}  // namespace usam::decode
