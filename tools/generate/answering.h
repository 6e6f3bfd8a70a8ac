#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recipes/answers.h"
#include "recipes/run.h"
#include "tools/generate/clips.h"
#include "tools/generate/inputs.h"

namespace usam {

// What was answered to one clip; of a long one to each of its windows.
struct ClipAnswer {
  Inputs::Clip clip;
  std::vector<std::vector<decode::Hypothesis>> windows;
  std::string text;   // of all windows
  std::string error;  // why there is none, or ""
  bool is_truncated = false;
};

struct AnsweringOptions {
  std::shared_ptr<const decode::Options> search;
  int64_t rows = 16;    // that go through the model together
  int64_t threads = 4;  // that load audio
  std::optional<eval::WindowConfig> window;
  // Called with pieces of an answer's text while it is written, one clip after the other.
  std::function<void(const std::string&)> on_text;
};

// Answers all clips and hands the answers out in the clips' order, each as soon as those before it are there. Clips are
// loaded ahead while the model works; those that come late join those under way.
void answer_all(recipes::Answers& recipe, const Clips& clips, torch::Device device, Inputs& inputs,
                const AnsweringOptions& options, const std::function<void(const ClipAnswer&)>& on_answer);

}  // namespace usam
