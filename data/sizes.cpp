#include "data/sizes.h"

#include <algorithm>
#include <cmath>

#include "data/permutation.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr int64_t kSampled = 256;  // rows of a share that the estimate of its texts' tokens is made from

}  // namespace

TokenEstimate::TokenEstimate(const Source& source, const std::vector<Share>& shares, Length length)
    : source_(source), length_(std::move(length)) {
  if (!length_) internal_error("data.batch.tokens without the lengths of samples");
  for (const Share& share : shares) {
    lines_.push_back(fit(share));
    for (int64_t row = share.begin; row < share.end && !sample_; row += std::max<int64_t>(share.rows() / kSampled, 1)) {
      try {
        Row candidate = source_.row(row);
        text_of_sample_ = length_(candidate, 1).text_tokens;
        sample_ = std::move(candidate);
      } catch (const UserError&) {  // said when it is loaded
      }
    }
  }
}

TokenEstimate::Line TokenEstimate::fit(const Share& share) const {
  const Permutation order(share.rows(), draw_key(0, "tokens"));
  std::vector<std::pair<double, double>> points;  // bytes, tokens
  for (int64_t i = 0; i < std::min(share.rows(), kSampled); ++i) {
    const int64_t index = share.begin + order(i);
    try {
      points.emplace_back(source_.text_bytes(index), length_(source_.row(index), 1).text_tokens);
    } catch (const UserError&) {
    }
  }
  if (points.empty()) return {};
  const auto count = static_cast<double>(points.size());
  double x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& [bytes, tokens] : points) x += bytes / count, y += tokens / count;
  for (const auto& [bytes, tokens] : points) xx += (bytes - x) * (bytes - x), xy += (bytes - x) * (tokens - y);
  Line line{-1e300, xx > 0 ? std::max(xy / xx, 0.0) : 0};
  for (const auto& [bytes, tokens] : points) line.base = std::max(line.base, tokens - line.per_byte * bytes);
  return line;
}

int64_t TokenEstimate::audio_tokens(double seconds) {
  const auto hundredths = static_cast<int64_t>(std::ceil(seconds * 100 - 1e-9));
  const auto [found, is_new] = audio_.try_emplace(hundredths, 0);
  if (is_new && sample_) found->second = length_(*sample_, static_cast<double>(hundredths) / 100).audio_tokens;
  return found->second;
}

int64_t TokenEstimate::tokens(size_t share, int64_t row, double seconds) {
  const Line& line = lines_.at(share);
  const double text = std::ceil(line.base + line.per_byte * static_cast<double>(source_.text_bytes(row)) - 1e-9);
  return audio_tokens(seconds) + static_cast<int64_t>(std::max(text, 0.0));
}

Sizes::Sizes(const Source& source, const PlanOptions& options)
    : source_(source), options_(options), budget_(options.batch) {
  if (!budget_.has_tokens()) return;
  tokens_.emplace(source, source.shares(), options.length);
  int64_t least = 0, most = *options.batch.tokens + 1;  // fits, does not
  while (most - least > 1) {
    const int64_t middle = least + (most - least) / 2;
    (budget_.counted_tokens(middle) <= static_cast<double>(*options.batch.tokens) ? least : most) = middle;
  }
  most_tokens_ = least;
}

std::optional<RowSize> Sizes::of(size_t share, int64_t row) {
  const double seconds = source_.seconds(row);
  if (is_too_long(seconds, options_)) {
    if (options_.long_audio == LongAudio::kError) refuse_long();
    return std::nullopt;
  }
  RowSize size{planned_seconds(seconds, options_)};
  if (options_.batch.seconds && budget_.counted_seconds(size.seconds) > *options_.batch.seconds)
    refuse_costly(row, size.seconds);
  // A row whose estimate is above the whole budget stands alone; what it really has is seen when it is loaded.
  if (tokens_) size.tokens = std::min(tokens_->tokens(share, row, size.seconds), most_tokens_);
  return size;
}

void Sizes::refuse_long() const {
  int64_t count = 0, first = 0;
  for (int64_t row = source_.size() - 1; row >= 0; --row)
    if (is_too_long(source_.seconds(row), options_)) first = row, ++count;
  const Row row = source_.row(first);
  user_error(
      "{}: clip '{}' has {:.2f} s, more than {}max_seconds = {} ({} such clip{}); set {}long_audio to truncate or "
      "drop, "
      "or raise {}max_seconds",
      source_.place(first), row.key, row.seconds, options_.prefix, options_.max_seconds, count, count == 1 ? "" : "s",
      options_.prefix, options_.prefix);
}

void Sizes::refuse_costly(int64_t row, double seconds) const {
  const std::string counted = options_.batch.quadratic_seconds
                                  ? fmt::format(", which count as {:.2f} (data.batch.quadratic_seconds = {})",
                                                budget_.counted_seconds(seconds), *options_.batch.quadratic_seconds)
                                  : "";
  user_error("{}: clip '{}' takes {:.2f} s{}, more than data.batch.seconds = {}; raise that or lower data.max_seconds",
             source_.place(row), source_.row(row).key, seconds, counted, *options_.batch.seconds);
}

}  // namespace usam::data
