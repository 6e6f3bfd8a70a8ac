// config.json of models: the first byte picks the reader, the rest is the text of every file in the folder.
#include "src/base/json.h"
#include "src/io/weights.h"
#include "src/models/ced/model.h"
#include "src/models/llama/config.h"
#include "src/models/mert/model.h"
#include "src/models/qwen/config.h"
#include "src/models/whisper/model.h"
#include "tests/fuzz/fuzz.h"

namespace usam {
namespace {

std::string_view text;

template <class Config>
Config in_a_folder() {
  Config config;
  config.source.path.value = "folder";
  return config;
}

}  // namespace

// In place of those that open files (src/io/weights.cpp).
namespace io {
Json read_folder_json(const std::string&, const std::string& name) {
  return parse_json(text, name);
}
Json read_folder_json_if_present(const std::string& folder, const std::string& name) {
  return read_folder_json(folder, name);
}
}  // namespace io

namespace fuzz {

std::vector<std::string> seeds() {
  const std::string sizes =
      R"("vocab_size":8,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":2,"num_attention_heads":2)";
  return {
      R"(0{"model_type":"llama",)" + sizes + R"(,"rope_scaling":{"rope_type":"llama3","factor":8.0,)" +
          R"("low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192},"rms_norm_eps":1e-5})",
      R"(1{"model_type":"qwen2",)" + sizes +
          R"(,"num_key_value_heads":1,"tie_word_embeddings":true,"rope_theta":1e6,)" +
          R"("use_sliding_window":true,"sliding_window":4,"max_window_layers":1})",
      R"(2{"model_type":"qwen3",)" + sizes + R"(,"head_dim":4,"rope_parameters":{"rope_theta":1e6},)" +
          R"("layer_types":["full_attention","full_attention"]})",
      R"(3{"model_type":"whisper","num_mel_bins":80,"d_model":8,"encoder_layers":2,"encoder_attention_heads":2,)"
      R"("encoder_ffn_dim":16,"feature_size":80,"sampling_rate":16000})",
      R"(4{"model_type":"ced","embed_dim":8,"depth":2,"num_heads":2,"mlp_ratio":4.0,"target_length":1012})",
      R"(5{"model_type":"hubert",)" + sizes + R"(,"conv_dim":[8],"conv_kernel":[10],"conv_stride":[5],)" +
          R"("feat_extract_norm":"group","num_conv_pos_embeddings":16,"num_conv_pos_embedding_groups":4,)"
          R"("sampling_rate":24000})"};
}

void read(std::string_view bytes) {
  if (bytes.empty()) return;
  text = bytes.substr(1);
  switch (bytes[0] % 6) {
    case 0:
      llama::read_sizes("folder", llama::kLlama);
      break;
    case 1:
      llama::read_sizes("folder", qwen::kQwen2);
      break;
    case 2:
      llama::read_sizes("folder", qwen::kQwen3);
      break;
    case 3:
      whisper_sizes(in_a_folder<WhisperConfig>());
      break;
    case 4:
      ced_sizes(in_a_folder<CedConfig>());
      break;
    default:
      mert_sizes(in_a_folder<MertConfig>());
  }
}

}  // namespace fuzz
}  // namespace usam
