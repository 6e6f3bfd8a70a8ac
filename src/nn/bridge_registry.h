#pragma once
#include "src/base/registry.h"
#include "src/nn/bridge.h"

namespace usam::nn {

using BridgeRegistry = Registry<Bridge, int64_t>;                 // width of the fused frames
using ProjectorRegistry = Registry<Projector, int64_t, int64_t>;  // width of the audio tokens, of the language model

// Every bridge and every projector that usam knows (register_bridges.cpp).
const BridgeRegistry& bridge_registry();
const ProjectorRegistry& projector_registry();

}  // namespace usam::nn
