#include "tools/generate/clips.h"

#include <numeric>

#include "data/collate.h"
#include "src/base/error.h"

namespace usam {

Clips::Clips(const Recipe& recipe, data::ClipOptions options)
    : plan_(recipe.data_plan()), options_(std::move(options)), reader_(data::make_file_reader(plan_, options_)) {}

Clips::Loaded Clips::load(const data::Row& row) const {
  if (row.audios.size() != 1)
    user_error("{}: the row has {} recordings, the recipe takes one", row.key, row.audios.size());
  auto read = reader_->read(0, row, draw_key(0, "augment"));
  if (read.is_too_long) user_error("{}: the audio is longer than {} s", row.audio().shown(), options_.max_seconds);
  return {plan_.make_example(row, read.clip), read.clip.seconds, read.clip.is_truncated};
}

data::Batch Clips::batch(const std::vector<std::string>& keys, const std::vector<data::Example>& examples) const {
  data::Batch batch;
  batch.keys = keys;
  batch.rows.resize(keys.size());
  std::iota(batch.rows.begin(), batch.rows.end(), 0);
  batch.fields = data::collate(plan_.fields, examples);
  return batch;
}

}  // namespace usam
