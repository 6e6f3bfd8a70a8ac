#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <string>

namespace usam::io {

// A sound with one channel, as a wav file's bytes.
struct Sound {
  std::string wav;
  double rate = 16000;  // Hz
  int64_t samples = 0;
};

// Writes a TensorBoard event file FOLDER/events.out.tfevents.<time>.<host>.<pid>.<n>: TFRecords of Event messages
// (tensorflow/core/util/event.proto), encoded by hand. Tags and texts are UTF-8. Events reach the disk at flush() and
// in the destructor. UserError names the file when it cannot be written.
class EventWriter {
 public:
  // `first_step` is the first step that will be written. Where it is not 0 (a resumed run) TensorBoard is told to hide
  // what earlier files of the folder hold at that step and after it.
  explicit EventWriter(const std::string& folder, int64_t first_step = 0);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void scalar(const std::string& tag, int64_t step, double value);
  void text(const std::string& tag, int64_t step, const std::string& markdown);
  // (height, width, 3) or (height, width), uint8.
  void image(const std::string& tag, int64_t step, const torch::Tensor& pixels);
  void audio(const std::string& tag, int64_t step, const Sound& sound);
  void flush();
  const std::string& path() const { return path_; }

 private:
  void add(const std::string& event);

  std::string path_;
  int descriptor_ = -1;
  std::string pending_;
};

}  // namespace usam::io
