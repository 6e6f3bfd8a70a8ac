// config.json of a Hugging Face folder -> sizes, and what it may ask for that is not built.
#include <algorithm>
#include <type_traits>

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
      if (std::is_same_v<T, int64_t> && !where.at(key).is_number_integer()) wrong_type(where, key);
      return where.at(key).get<T>();
    } catch (const Json::exception&) {
      wrong_type(where, key);
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
    if (value > kLargest) user_error("{}: '{}' is {}; it must be at most {}", file_, key, value, kLargest);
    return value;
  }

 private:
  static constexpr int64_t kLargest = int64_t{1} << 30;  // products of two do not overflow

  [[noreturn]] void wrong_type(const Json& where, const std::string& key) const {
    user_error("{}: '{}' is {}, which is not of the type it should be", file_, key, where.at(key).dump());
  }

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

// Whether each layer attends to a window only (transformers, MistralConfig and Qwen2Config.__post_init__).
std::vector<bool> sliding_layers(const HfConfig& c, const Family& family, int64_t layers) {
  if (family.slides == Slides::kAlways) return std::vector<bool>(static_cast<size_t>(layers), true);
  std::vector<bool> slides;
  const bool is_listed = c.has("layer_types");
  const auto first = c.get_or<int64_t>("max_window_layers", 28);
  for (int64_t i = 0; i < layers && !is_listed; ++i) slides.push_back(i >= first);
  for (const auto& type : is_listed ? c.json().at("layer_types") : Json::array()) {
    if (type != "full_attention" && type != "sliding_attention") refuse(c, fmt::format("layer type {}", type.dump()));
    slides.push_back(type == "sliding_attention");
  }
  if (std::ssize(slides) != layers)
    user_error("{}: 'layer_types' names {} layers, but there are {}", c.file(), slides.size(), layers);
  return slides;
}

// `sliding_window`: absent it is 4096, null none.
void read_window(const HfConfig& c, const Family& family, Sizes& s) {
  if (family.slides == Slides::kNever) return;
  auto layers = sliding_layers(c, family, s.layers);
  const bool is_off = c.json().contains("sliding_window") && !c.has("sliding_window");
  if (is_off || (family.slides == Slides::kByLayer && !c.get_or("use_sliding_window", false))) return;
  if (std::find(layers.begin(), layers.end(), true) == layers.end()) return;
  s.window = c.has("sliding_window") ? c.positive("sliding_window") : 4096;
  s.has_window = std::move(layers);
}

void refuse_unsupported(const HfConfig& c) {
  const auto act = c.get_or<std::string>("hidden_act", "silu");
  if (act != "silu") refuse(c, fmt::format("hidden_act '{}' (only 'silu')", act));
  if (c.get_or("attention_dropout", 0.0) != 0) refuse(c, "attention_dropout above 0");
  if (c.has("quantization_config")) refuse(c, "quantization_config (quantised weights)");
}

void read_biases(const HfConfig& c, const Family& family, Sizes& s) {
  s.has_output_bias = c.get_or("attention_bias", false);
  s.has_mlp_bias = c.get_or("mlp_bias", false);
  if (s.has_output_bias && !family.may_have_attention_bias) refuse(c, "attention_bias true");
  if (s.has_mlp_bias && !family.may_have_mlp_bias) refuse(c, "mlp_bias true");
  s.has_qkv_bias = family.has_qkv_bias || s.has_output_bias;
}

constexpr const char* kOriginal = "original_max_position_embeddings";

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
  const auto factor = [&c, &rope] {
    const auto value = c.get<double>(rope, "factor");
    if (!(value > 0)) user_error("{}: 'factor' is {}; it must be above 0", c.file(), value);
    return value;
  };
  if (type == "linear") {
    s.rope_scaling = nn::LinearRopeScaling{factor()};
    return;
  }
  if (type != "llama3") refuse(c, fmt::format("rope type '{}' (only 'default', 'linear' and 'llama3')", type));
  const nn::Llama3RopeScaling scaling{
      factor(), c.get<double>(rope, "low_freq_factor"), c.get<double>(rope, "high_freq_factor"),
      rope.contains(kOriginal) ? c.get<int64_t>(rope, kOriginal) : c.get<int64_t>("max_position_embeddings")};
  if (!(scaling.low_freq_factor > 0 && scaling.high_freq_factor > scaling.low_freq_factor))
    user_error(
        "{}: 'high_freq_factor' is {} and 'low_freq_factor' {}; the first must be above the second, and both "
        "above 0",
        c.file(), scaling.high_freq_factor, scaling.low_freq_factor);
  s.rope_scaling = scaling;
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
  const bool is_silent = !c.json().contains("num_key_value_heads") && family.default_kv_heads > 0;
  s.kv_heads = c.has("num_key_value_heads") ? c.positive("num_key_value_heads")
               : is_silent                  ? family.default_kv_heads
                                            : s.heads;  // null, or Llama's default
  s.intermediate = c.positive("intermediate_size");
  s.head_dim = family.default_head_dim ? family.default_head_dim : s.hidden / s.heads;
  if (c.has("head_dim")) {
    s.head_dim = c.positive("head_dim");
  } else if (!family.default_head_dim && s.hidden % s.heads != 0) {
    user_error("{}: hidden_size {} is not a multiple of num_attention_heads {}", c.file(), s.hidden, s.heads);
  }
  s.norm_eps = c.get_or("rms_norm_eps", 1e-6);
  s.is_tied = c.get_or("tie_word_embeddings", false);
  if (s.heads % s.kv_heads != 0)
    user_error("{}: num_attention_heads {} is not a multiple of num_key_value_heads {}", c.file(), s.heads, s.kv_heads);
  if (s.head_dim % 2 != 0) user_error("{}: heads of odd width {} cannot be rotated", c.file(), s.head_dim);
  refuse_unsupported(c);
  read_biases(c, family, s);
  read_window(c, family, s);
  read_rope(c, s);
  return s;
}

}  // namespace usam::llama
