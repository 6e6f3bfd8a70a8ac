#pragma once
#include <torch/torch.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/source.h"
#include "src/tensor/front_end_spec.h"

namespace usam::data {

// How a field's samples are put together: padded to the longest along the first axis (with lengths), concatenated along
// the first axis (with lengths as offsets' steps), or kept as a list of tensors.
enum class Layout { kPadded, kPacked, kList };

struct FieldSpec {
  std::string name;
  Layout layout = Layout::kPadded;
  bool stays_on_host = false;  // whatever the device: small figures by which a recipe decides what to compute
};

// A named field of a batch.
struct BatchField {
  Layout layout = Layout::kPadded;
  torch::Tensor data;                // kPadded (B, T, ...) zero-padded, kPacked (sum T, ...)
  torch::Tensor lengths_B;           // int64, in host memory; kPadded and kPacked
  std::vector<torch::Tensor> items;  // kList
  bool stays_on_host = false;
};

// Where training stands in the data: the next micro-batch to be consumed is number `micro_batch` of `epoch`, which
// belongs to `phase` of the curriculum.
struct Cursor {
  int64_t epoch = 0;
  int64_t micro_batch = 0;
  int64_t phase = 0;
  bool operator==(const Cursor&) const = default;
};

// A sample that could not be used, and why.
struct Skipped {
  std::string key;
  std::string file;
  std::string reason;
};

// One micro-batch as the recipe asked for it. When every sample of it was skipped, and on the ranks that an epoch's
// last round has no micro-batch for, `keys` and `fields` are empty: such a batch still takes part in the step, with
// zero counts.
struct Batch {
  std::vector<std::string> keys;
  std::vector<int64_t> rows;  // index of each sample in its source
  Cursor cursor;              // of this micro-batch
  double audio_seconds = 0;
  std::map<std::string, BatchField> fields;
  std::vector<Skipped> skipped;         // its samples that could not be used
  std::map<std::string, int64_t> seen;  // samples by "source/NAME" and by "task/NAME"

  int64_t size() const { return static_cast<int64_t>(keys.size()); }
  const BatchField& field(const std::string& name) const { return fields.at(name); }
  // Its fields on a device, but for lengths and for fields that stay on the host.
  Batch to(torch::Device device) const;
};

// What a ClipMemory files a clip under.
using ClipKey = std::array<int64_t, 2>;

// A decoded clip after the front ends: what make_example() sees. Features are time-first: (T, F) or (samples).
struct Clip {
  double seconds = 0;                             // of the audio as used (after truncation)
  std::map<std::string, torch::Tensor> features;  // by stream name
  std::map<std::string, int64_t> samples;         // at each stream's rate, padding to the minimum included
  // training: a number drawn for (seed, epoch, key, copy), for what the recipe randomises
  std::optional<uint64_t> draw;
  bool is_truncated = false;    // cut to the longest that is allowed
  bool is_misdeclared = false;  // the manifest's duration is wrong by more than 0.1 s and 5 %

  // data.long_audio: window: a clip longer than one window as overlapping windows, featurised each as a clip of its own
  // that begins `start` seconds after this one; `features` and `samples` above are empty then.
  std::vector<Clip> windows;
  double start = 0;
  bool is_windowed = false;

  std::optional<ClipKey> key;                     // with a ClipMemory
  std::map<std::string, torch::Tensor> recalled;  // by stream name: what the memory has of it
};

// One sample's fields, before collation: tensors whose first axis is the one that is padded or packed.
using Example = std::map<std::string, torch::Tensor>;

// What the recipe feeds on: one decoded, resampled and featurised signal per stream.
struct Stream {
  std::string name;
  FrontEndSpec front_end;
  int64_t min_samples = 0;  // a shorter clip is zero-padded to this, at the stream's rate
};

// How long a sample is, known from metadata alone (duration and text), for batching and for checks.
struct SampleLength {
  double seconds = 0;
  int64_t audio_tokens = 0;
  int64_t text_tokens = 0;
};

// What a recipe keeps of clips from one pass over the data to the next, so that they need not be read again. Called by
// loader threads, concurrently.
class ClipMemory {
 public:
  virtual ~ClipMemory() = default;
  // A pass over the data begins: what other processes have kept meanwhile is seen from here on.
  virtual void begin_pass() = 0;
  // Fills in the key of the row's clip and what is kept of it. True: that is all that make_example() needs, `seconds`
  // and what was done to the clip included. `how`: whatever else the clip depends on, as text.
  virtual bool recall(const Row& row, const std::string& how, Clip& clip) const = 0;
  // What is kept and where, for the log.
  virtual std::string summary() const = 0;
};

// Everything data/ needs to know of a recipe, as plain things: no task, no model.
struct DataPlan {
  std::vector<Stream> streams;
  double min_seconds = 0;  // a shorter clip is zero-padded to this before all streams
  std::vector<FieldSpec> fields;
  std::function<SampleLength(const Row&, double seconds)> length;
  std::function<Example(const Row&, const Clip&)> make_example;  // called by loader threads, concurrently
  std::shared_ptr<ClipMemory> memory;                            // null: every clip is read
  bool takes_windows = false;                                    // make_example knows Clip::windows
};

}  // namespace usam::data
