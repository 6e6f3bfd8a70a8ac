#pragma once
// A pretrained language model on disk, of the sizes of configs/tests/tiny.yaml, written without torch.
#include <cstring>

#include "src/base/json.h"
#include "tests/support.h"

namespace usam::test {

// Writes config.json and model.safetensors; another seed gives other values of the same shapes.
inline void write_llama(const std::filesystem::path& folder, uint32_t seed) {
  constexpr int64_t kVocab = 200, kHidden = 32, kIntermediate = 64, kLayers = 2;
  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors = {{"model.embed_tokens.weight", {kVocab, kHidden}},
                                                                       {"model.norm.weight", {kHidden}},
                                                                       {"lm_head.weight", {kVocab, kHidden}}};
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    for (const char* name : {"input_layernorm", "post_attention_layernorm"})
      tensors.push_back({layer + name + ".weight", {kHidden}});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
      tensors.push_back({layer + "self_attn." + name + ".weight", {kHidden, kHidden}});
    for (const char* name : {"gate_proj", "up_proj"})
      tensors.push_back({layer + "mlp." + name + ".weight", {kIntermediate, kHidden}});
    tensors.push_back({layer + "mlp.down_proj.weight", {kHidden, kIntermediate}});
  }
  Json header = Json::object();
  std::vector<float> values;
  uint32_t state = seed;
  for (const auto& [name, shape] : tensors) {
    const size_t begin = values.size() * sizeof(float);
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    for (int64_t i = 0; i < count; ++i) {
      state = state * 1664525 + 1013904223;
      const auto noise = static_cast<float>(state >> 8) / (1 << 24) - 0.5F;
      values.push_back(shape.size() == 1 ? 1 : noise);
    }
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, values.size() * sizeof(float)}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  std::filesystem::create_directories(folder);
  std::ofstream out(folder / "model.safetensors", std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  std::ofstream(folder / "config.json") << Json{
      {"model_type", "llama"},        {"vocab_size", kVocab},
      {"hidden_size", kHidden},       {"intermediate_size", kIntermediate},
      {"num_hidden_layers", kLayers}, {"num_attention_heads", 2},
      {"tie_word_embeddings", false}}.dump();
}

}  // namespace usam::test
