#pragma once
// From audio files to what a recipe reads.
#include <memory>
#include <string>
#include <vector>

#include "data/clip_reader.h"
#include "trainer/recipe.h"

namespace usam {

// Reads clips one by one, for questions that come one by one. Thread-safe.
class Clips {
 public:
  // UserError: options.max_seconds above what a stream takes. The recipe outlives it.
  Clips(const Recipe& recipe, data::ClipOptions options);

  struct Loaded {
    data::Example example;
    double seconds = 0;
    bool is_truncated = false;
  };
  // Decodes the row's audio and lays out its prompt. UserError: audio that cannot be read or is too long, a task
  // without a prompt.
  Loaded load(const data::Row& row) const;
  // Loaded clips as one batch.
  data::Batch batch(const std::vector<std::string>& keys, const std::vector<data::Example>& examples) const;

 private:
  data::DataPlan plan_;
  data::ClipOptions options_;
  std::shared_ptr<const data::ClipReader> reader_;
};

}  // namespace usam
