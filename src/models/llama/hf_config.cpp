// config.json of a Hugging Face folder -> sizes, and what it may ask for that is not built.
#include "src/base/error.h"
#include "src/io/weights.h"
#include "src/models/llama/config.h"

namespace usam::llama {
namespace {

// One config.json, with messages that name it.
class HfConfig {
 public:
  explicit HfConfig(const std::string& folder)
      : file_(folder + "/config.json"), json_(io::read_folder_json(folder, "config.json")) {}

  bool has(const std::string& key) const { return json_.contains(key) && !json_.at(key).is_null(); }
  const Json& json() const { return json_; }
  const std::string& file() const { return file_; }

  template <class T>
  T get(const Json& where, const std::string& key) const {
    if (!where.contains(key) || where.at(key).is_null()) user_error("{}: '{}' is missing", file_, key);
    try {
      return where.at(key).get<T>();
    } catch (const Json::exception&) {
      user_error("{}: '{}' is {}, which is not of the type it should be", file_, key, where.at(key).dump());
    }
  }
  template <class T>
  T get(const std::string& key) const {
    return get<T>(json_, key);
  }
  template <class T>
  T get_or(const std::string& key, T fallback) const {
    return has(key) ? get<T>(key) : fallback;
  }
  int64_t positive(const std::string& key) const {
    const auto value = get<int64_t>(key);
    if (value < 1) user_error("{}: '{}' is {}; it must be at least 1", file_, key, value);
    return value;
  }

 private:
  std::string file_;
  Json json_;
};

void check_family(const HfConfig& c, const Family& family) {
  const auto type = c.get<std::string>("model_type");
  if (type != family.model_type)
    user_error("{}: model_type is '{}', but 'type: {}' reads '{}' folders", c.file(), type, family.model_type,
               family.model_type);
}

void refuse(const HfConfig& c, const std::string& what) {
  user_error("{}: {} is not supported by usam", c.file(), what);
}

// True where some layer would attend to a window only (transformers, Qwen2Config.__post_init__).
bool would_slide(const HfConfig& c, const Family& family, int64_t layers) {
  if (family.model_type == "llama" || !c.get_or("use_sliding_window", false) || !c.has("sliding_window")) return false;
  if (!c.has("layer_types")) return layers > c.get_or<int64_t>("max_window_layers", 28);
  for (const auto& type : c.json().at("layer_types")) {
    if (type == "sliding_attention") return true;
  }
  return false;
}

void refuse_unsupported(const HfConfig& c, const Family& family, int64_t layers) {
  const auto act = c.get_or<std::string>("hidden_act", "silu");
  if (act != "silu") refuse(c, fmt::format("hidden_act '{}' (only 'silu')", act));
  if (c.get_or("attention_bias", false)) refuse(c, "attention_bias true");
  if (c.get_or("mlp_bias", false)) refuse(c, "mlp_bias true");
  if (c.get_or("attention_dropout", 0.0) != 0) refuse(c, "attention_dropout above 0");
  if (c.has("quantization_config")) refuse(c, "quantization_config (quantised weights)");
  if (would_slide(c, family, layers))
    refuse(c, fmt::format("use_sliding_window with sliding_window {}", c.get<int64_t>("sliding_window")));
  if (!c.has("layer_types")) return;
  for (const auto& type : c.json().at("layer_types")) {
    if (type != "full_attention" && type != "sliding_attention") refuse(c, fmt::format("layer type {}", type.dump()));
  }
}

// Newer folders hold `rope_parameters` (theta inside), older ones `rope_theta` and `rope_scaling`.
void read_rope(const HfConfig& c, Sizes& s) {
  Json rope = Json::object();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!c.has(key)) continue;
    if (!c.json().at(key).is_object()) user_error("{}: '{}' is not a map", c.file(), key);
    rope.update(c.json().at(key));
  }
  s.rope_theta = rope.contains("rope_theta") ? c.get<double>(rope, "rope_theta") : c.get_or("rope_theta", 10000.0);
  if (s.rope_theta <= 0) user_error("{}: 'rope_theta' is {}; it must be above 0", c.file(), s.rope_theta);
  const bool is_inside = rope.contains("partial_rotary_factor");
  if ((is_inside ? c.get<double>(rope, "partial_rotary_factor") : c.get_or("partial_rotary_factor", 1.0)) != 1)
    refuse(c, "partial_rotary_factor below 1");
  const std::string key = rope.contains("rope_type") ? "rope_type" : "type";
  const auto type = rope.contains(key) ? c.get<std::string>(rope, key) : "default";
  if (type == "default") return;
  if (type != "llama3") refuse(c, fmt::format("rope type '{}' (only 'default' and 'llama3')", type));
  s.rope_scaling = nn::Llama3RopeScaling{c.get<double>(rope, "factor"), c.get<double>(rope, "low_freq_factor"),
                                         c.get<double>(rope, "high_freq_factor"),
                                         c.get<int64_t>(rope, "original_max_position_embeddings")};
}

}  // namespace

Sizes read_sizes(const std::string& folder, const Family& family) {
  const HfConfig c(folder);
  check_family(c, family);
  Sizes s;
  s.vocab = c.positive("vocab_size");
  s.layers = c.positive("num_hidden_layers");
  s.hidden = c.positive("hidden_size");
  s.heads = c.positive("num_attention_heads");
  s.kv_heads = c.has("num_key_value_heads") ? c.positive("num_key_value_heads") : s.heads;
  s.intermediate = c.positive("intermediate_size");
  s.head_dim = family.default_head_dim ? family.default_head_dim : s.hidden / s.heads;
  if (c.has("head_dim")) s.head_dim = c.positive("head_dim");
  s.norm_eps = c.get_or("rms_norm_eps", 1e-6);
  s.is_tied = c.get_or("tie_word_embeddings", false);
  if (s.heads % s.kv_heads != 0)
    user_error("{}: num_attention_heads {} is not a multiple of num_key_value_heads {}", c.file(), s.heads, s.kv_heads);
  if (s.head_dim % 2 != 0) user_error("{}: heads of odd width {} cannot be rotated", c.file(), s.head_dim);
  refuse_unsupported(c, family, s.layers);
  read_rope(c, s);
  return s;
}

}  // namespace usam::llama
