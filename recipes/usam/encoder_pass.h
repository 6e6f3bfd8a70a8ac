#pragma once
// One encoder's way through a batch. B samples, R of them, W windows of a sample, T frames or feature steps, D width.
#include <torch/torch.h>

#include <limits>
#include <vector>

#include "data/batch.h"
#include "recipes/usam/encoders.h"

namespace usam::recipes {

// Frames of a window of a clip that count.
struct FrameRange {
  int64_t begin = 0, end = 0;
};

// Those, of `count` of a window that begins at `start` in the clip, whose middle lies in [from, until), in seconds.
FrameRange frames_between(const AudioEncoder& encoder, int64_t count, double start, double from, double until);

// The batch's windows, in groups that go through the encoder together. On a CPU these are of similar length, because
// padding costs as much as sound there, and several may be encoded at once.
class EncoderPass {
 public:
  // `cache` may be null; what it has is not encoded.
  EncoderPass(EncoderPart& part, const data::Batch& batch, FeatureCache* cache);

  // Windows, by their places among all of the batch.
  using Windows = std::vector<int64_t>;
  std::vector<Windows> groups() const;
  // Groups them otherwise, each window once, before any is encoded.
  void regroup(std::vector<Windows> groups);
  // Whether groups may be encoded in any order, and by several threads at once.
  bool is_free() const;
  // What a group costs, in multiply-adds of the weights, and what of it is independent of its windows.
  double cost(const Windows& windows) const;
  double overhead() const;

  // Encodes a group; others may be under way.
  void encode(size_t group);
  // The stream, in fp32; groups that are not encoded yet are.
  Frames frames();

 private:
  // One window of a batch.
  struct Window {
    int64_t row = 0;
    int64_t begin = 0, size = 0, steps = 0;  // in the row's features
    double start = 0, seconds = 0, from = 0, until = std::numeric_limits<double>::infinity();
  };
  // Rows of one stream, and their frames.
  struct States {
    std::vector<torch::Tensor> states_BTD;
    torch::Tensor lengths_B;  // int64, in host memory
  };
  struct Group {
    Windows windows;
    States made;
  };

  void read_input();
  void list_windows();
  std::vector<Windows> groups_by_length();
  std::vector<Windows> groups_in_order() const;
  bool is_whole_batch(const Group& group) const { return is_plain_ && group.windows.size() == windows_.size(); }
  States stitched();
  States with_remembered(States made);
  static void put_rows(States& all, const States& some, const torch::Tensor& rows_R);

  EncoderPart* part_;
  const data::Batch* batch_;
  FeatureCache* cache_;  // null: keeps nothing of this encoder
  bool needs_graph_;
  torch::Tensor rows_R_;  // that are encoded, int64 in host memory
  // What the encoder reads of them; all but the features in host memory.
  torch::Tensor features_BT_, steps_BW_, sizes_BW_, windows_BW3_, seconds_B_;
  bool is_plain_ = true;  // each row is one window
  double frames_a_step_ = 0, weights_ = 0;
  std::vector<Window> windows_;
  std::vector<Group> groups_;
};

}  // namespace usam::recipes
