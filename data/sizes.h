#pragma once
// The sizes of a source's rows, as far as metadata tell.
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "data/budget.h"
#include "data/plan.h"
#include "data/source.h"

namespace usam::data {

// How many tokens the language model sees of a row. Those of the audio follow from its seconds. Those of the text are
// estimated from its bytes, share by share: a line over the bytes of up to 256 of its rows, raised so that none of
// these lies above it.
class TokenEstimate {
 public:
  using Length = std::function<SampleLength(const Row&, double seconds)>;
  TokenEstimate(const Source& source, const std::vector<Share>& shares, Length length);

  int64_t tokens(size_t share, int64_t row, double seconds);

 private:
  struct Line {
    double base = 0, per_byte = 1;
  };
  Line fit(const Share& share) const;
  int64_t audio_tokens(double seconds);

  const Source& source_;
  Length length_;
  std::vector<Line> lines_;    // of each share
  std::optional<Row> sample_;  // a row whose length is known, to ask for audio tokens with
  int64_t text_of_sample_ = 0;
  std::unordered_map<int64_t, int64_t> audio_;  // by hundredths of a second
};

// Used by one thread, while rows are planned.
class Sizes {
 public:
  Sizes(const Source& source, const PlanOptions& options);

  // Nothing: left out under LongAudio::kDrop. UserError: longer than allowed (LongAudio::kError), or by itself more
  // than data.batch.seconds.
  std::optional<RowSize> of(size_t share, int64_t row);

 private:
  [[noreturn]] void refuse_long() const;
  [[noreturn]] void refuse_costly(int64_t row, double seconds) const;

  const Source& source_;
  const PlanOptions& options_;
  Budget budget_;
  std::optional<TokenEstimate> tokens_;
  int64_t most_tokens_ = 0;  // of a row that fits the budget by itself
};

}  // namespace usam::data
