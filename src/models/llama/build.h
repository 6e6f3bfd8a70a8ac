#pragma once
#include <memory>

#include "src/models/llama/model.h"
#include "src/models/model_registry.h"

namespace usam::llama {

// A decoder with its weights: read from the config's folder and kept as `dtype` says, or drawn, each parameter as a
// function of (seed, name, path). UserError as of resolve_sizes() and io::load_weights().
std::shared_ptr<Decoder> build(const Config& config, const Family& family, const ModelInit& init);

}  // namespace usam::llama
