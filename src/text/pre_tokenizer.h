#pragma once
// From a text to the words that byte-pair encoding works on: normalizers and pre-tokenizers of a tokenizer.json.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/split_pattern.h"
#include "src/text/tokenizer_spec.h"

namespace usam::text {

class TextNormalizer {
 public:
  explicit TextNormalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}
  // The normalised text: `text` itself where nothing changes, else what is written to `buffer`.
  std::string_view operator()(std::string_view text, std::string& buffer) const;

 private:
  std::vector<NormalizerStep> steps_;
};

class PreTokenizer {
 public:
  using Sink = std::function<void(std::string_view word)>;
  explicit PreTokenizer(const std::vector<PreTokenizerStep>& steps);
  // Hands over the words of a piece in order, none of them empty; `is_first` where the piece begins the whole text.
  void operator()(std::string_view piece, bool is_first, const Sink& sink) const;

 private:
  struct Step {
    PreTokenizerStep spec;
    std::shared_ptr<const SplitPattern> pattern;
  };
  void run(size_t step, std::string_view piece, bool is_first, const Sink& sink) const;
  void split(size_t step, std::string_view piece, bool is_first, const Sink& sink) const;

  std::vector<Step> steps_;
};

}  // namespace usam::text
