#include "src/eval/failures.h"

#include <charconv>
#include <cmath>
#include <set>

#include "src/eval/loops.h"
#include "src/text/regex.h"
#include "src/text/unicode.h"

namespace usam::eval {

std::optional<double> number_in(const std::string& text) {
  static const text::Regex number(
      R"((?<![\w.])[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?!\w|\.[0-9]))");
  const auto found = number.find_all(text);
  if (found.size() != 1) return std::nullopt;
  const std::string& digits = found.front();
  const size_t sign = digits.front() == '+';
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data() + sign, digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

Json failures(const Samples& samples, Answer answer) {
  std::set<std::string> labels(samples.labels.begin(), samples.labels.end());
  if (labels.empty())
    for (const text::TextPair& pair : samples.pairs)
      for (const std::string& reference : pair.references) labels.insert(text::strip(reference));
  const bool wants_label = answer == Answer::kLabel || answer == Answer::kLikelihood;
  int64_t empty = 0, looping = 0, unparsable = 0;
  for (size_t i = 0; i < samples.pairs.size(); ++i) {
    const text::TextPair& pair = samples.pairs[i];
    if (text::strip(pair.hypothesis).empty()) {
      ++empty;
    } else if (is_looping(pair)) {
      ++looping;
    } else if (wants_label) {
      unparsable += !labels.contains(text::strip(pair.hypothesis));
    } else if (answer == Answer::kNumber) {
      unparsable += !number_in(*samples.lines[i]->answer);
    }
  }
  return {{"empty", empty}, {"looping", looping}, {"unparsable", unparsable}};
}

}  // namespace usam::eval
