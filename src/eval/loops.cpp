#include "src/eval/loops.h"

#include <algorithm>

#include "src/text/unicode.h"

namespace usam::eval {
namespace {

constexpr size_t kLongestStretch = 8;
constexpr size_t kRepeats = 5;

// How often the most repeated stretch stands in a row; 1 where nothing repeats.
size_t repeats(const std::vector<std::string>& words) {
  size_t most = 1;
  for (size_t length = 1; length <= kLongestStretch; ++length) {
    size_t run = 0;  // words that equal the one `length` before them, without a gap
    for (size_t at = length; at < words.size(); ++at) {
      run = words[at] == words[at - length] ? run + 1 : 0;
      most = std::max(most, run / length + 1);
    }
  }
  return most;
}

}  // namespace

bool is_looping(const text::TextPair& pair) {
  const size_t found = repeats(text::split_words(pair.hypothesis));
  if (found < kRepeats) return false;
  return std::all_of(pair.references.begin(), pair.references.end(),
                     [found](const std::string& reference) { return repeats(text::split_words(reference)) < found; });
}

}  // namespace usam::eval
