#include "src/nn/bridge_registry.h"
#include "src/nn/qformer.h"
#include "src/nn/stack_frames.h"
#include "src/nn/task_moe.h"

namespace usam::nn {

const BridgeRegistry& bridge_registry() {
  static const BridgeRegistry registry = [] {
    BridgeRegistry r;
    r.add<WindowQFormerConfig>("window_qformer", [](const WindowQFormerConfig& config, int64_t width) {
      return std::make_shared<WindowQFormerImpl>(config, width);
    });
    r.add<StackFramesConfig>("stack", [](const StackFramesConfig& config, int64_t width) {
      return std::make_shared<StackFramesImpl>(config, width);
    });
    return r;
  }();
  return registry;
}

const ProjectorRegistry& projector_registry() {
  static const ProjectorRegistry registry = [] {
    ProjectorRegistry r;
    r.add<TaskMoeConfig>("moe", [](const TaskMoeConfig& config, int64_t width, int64_t output_width) {
      return std::make_shared<TaskMoeImpl>(config, width, output_width);
    });
    r.add<PerceptronConfig>("mlp", [](const PerceptronConfig& config, int64_t width, int64_t output_width) {
      return std::make_shared<PerceptronImpl>(config, width, output_width);
    });
    return r;
  }();
  return registry;
}

}  // namespace usam::nn
