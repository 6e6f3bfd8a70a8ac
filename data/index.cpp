#include "data/index.h"

#include <algorithm>

#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr size_t kShownProblems = 20, kKeptProblems = 100'000;

}  // namespace

void ManifestProblems::add(std::string problem) {
  ++count_;
  if (problems_.size() < kKeptProblems) problems_.push_back(std::move(problem));
}

void ManifestProblems::raise() const {
  if (problems_.empty()) return;
  std::string text;
  for (size_t i = 0; i < std::min(problems_.size(), kShownProblems); ++i) text += (i ? "\n" : "") + problems_[i];
  if (problems_.size() > kShownProblems)
    text +=
        fmt::format("\n... and {} more ({} problems in all)", count_ - static_cast<int64_t>(kShownProblems), count_);
  throw UserError(text);
}

}  // namespace usam::data
