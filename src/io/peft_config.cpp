#include "src/io/peft_config.h"

#include <fmt/ranges.h>

#include <cmath>
#include <memory>
#include <set>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "src/base/error.h"
#include "src/base/json.h"

namespace usam::io {
namespace {

// peft's rule (get_pattern_key): the expression must match the path to its end, after a dot or the beginning.
class PathPattern {
 public:
  explicit PathPattern(const std::string& pattern) {
    const std::string whole = "(.*\\.)?(" + pattern + ")$";
    int error = 0;
    PCRE2_SIZE at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(whole.data()), whole.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY, &error, &at, nullptr));
  }
  bool is_valid() const { return code_ != nullptr; }
  // False too where the search takes too many steps: a name of layers needs a handful.
  bool matches(const std::string& path) const {
    const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> limits(
        pcre2_match_context_create(nullptr), pcre2_match_context_free);
    pcre2_set_match_limit(limits.get(), 100'000);
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> found(
        pcre2_match_data_create_from_pattern(code_.get(), nullptr), pcre2_match_data_free);
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(path.data()), path.size(), 0, 0, found.get(),
                       limits.get()) >= 0;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
};

template <class Value>
Value patterned(const PeftConfig::Patterns<Value>& patterns, const std::string& path, Value fallback) {
  for (const auto& [pattern, value] : patterns)
    if (PathPattern(pattern).matches(path)) return value;
  return fallback;
}

bool is_off(const Json& value) {
  return value.is_null() || value == false || value == "none" ||
         ((value.is_object() || value.is_array() || value.is_string()) && value.empty());
}

// Keys that change nothing about a trained adapter that is only read, whatever they hold: which layers were chosen is
// seen from the tensors.
bool is_harmless(const std::string& key) {
  static const std::set<std::string> keys = {
      "auto_mapping",        "revision",      "inference_mode",    "exclude_modules", "layers_pattern", "peft_version",
      "layers_to_transform", "megatron_core", "qalora_group_size", "eva_config",      "runtime_config",
  };
  return keys.count(key) > 0;
}

std::string shown(const Json& value) {
  const std::string text = value.dump();
  return text.size() <= 80 ? text : value.is_object() ? "{...}" : value.is_array() ? "[...]" : "\"...\"";
}

struct WrongType {};

double number(const Json& value) {
  if (!value.is_number()) throw WrongType();
  return value.get<double>();
}

// Whole numbers in floating point, which peft writes for an alpha, are none here.
int64_t whole(const Json& value) {
  if (!value.is_number_integer() || value > INT32_MAX || value < INT32_MIN) throw WrongType();
  return value.get<int64_t>();
}

bool flag(const Json& value) {
  if (!value.is_boolean() && !value.is_null()) throw WrongType();
  return value == true;
}

std::string text_or_nothing(const Json& value) {
  if (!value.is_string() && !value.is_null()) throw WrongType();
  return value.is_string() ? value.get<std::string>() : "";
}

std::vector<std::string> texts(const Json& value) {
  if (!value.is_array() && !value.is_null()) throw WrongType();
  std::vector<std::string> all;
  for (const auto& item : value) {
    if (!item.is_string()) throw WrongType();
    all.push_back(item.get<std::string>());
  }
  return all;
}

template <class Value>
PeftConfig::Patterns<Value> patterns(const Json& value, Value (*convert)(const Json&)) {
  if (!value.is_object() && !value.is_null()) throw WrongType();
  PeftConfig::Patterns<Value> all;
  for (const auto& [pattern, item] : value.items()) all.emplace_back(pattern, convert(item));
  return all;
}

class ConfigReader {
 public:
  PeftConfig read(const Json& json, const std::string& path) {
    if (!json.is_object()) user_error("{}: the file holds no JSON object", path);
    for (const auto& [key, value] : json.items()) {
      try {
        if (!take(key, value) && !is_harmless(key) && !is_off(value))
          problem("{} = {} is not supported", key, shown(value));
      } catch (const WrongType&) {
        problem("{} = {} is of the wrong type", key, shown(value));
      }
    }
    for (const char* key : {"peft_type", "r", "lora_alpha"})
      if (!json.contains(key)) problem("{} is missing", key);
    check(json);
    if (!problems_.empty()) user_error("{}: usam cannot use this adapter:\n  {}", path, fmt::join(problems_, "\n  "));
    return config_;
  }

 private:
  // Takes a key that usam knows; false for another, or for a value that usam has not.
  bool take(const std::string& key, const Json& value) {
    if (key == "peft_type") {
      if (value != "LORA") problem("peft_type is {} instead of \"LORA\"", shown(value));
    } else if (key == "r") {
      config_.rank = whole(value);
    } else if (key == "lora_alpha") {
      config_.alpha = number(value);
    } else if (key == "lora_dropout") {
      config_.dropout = number(value);
    } else if (key == "use_rslora") {
      config_.rank_stabilized = flag(value);
    } else if (key == "target_modules") {
      config_.targets_is_regex = value.is_string();
      config_.targets = value.is_string() ? std::vector{value.get<std::string>()} : texts(value);
    } else if (key == "base_model_name_or_path") {
      config_.base_model = text_or_nothing(value);
    } else if (key == "task_type") {
      config_.task = text_or_nothing(value);
    } else if (key == "rank_pattern") {
      config_.rank_pattern = patterns(value, whole);
    } else if (key == "alpha_pattern") {
      config_.alpha_pattern = patterns(value, number);
    } else if (key == "modules_to_save") {
      config_.modules_to_save = texts(value);
    } else if (key == "ensure_weight_tying") {
      config_.keeps_tying = flag(value);
    } else {
      return take_choice(key, value);
    }
    return true;
  }

  // corda, lora_ga and loftq take from the base weights what only their data or their draws tell: such an adapter fits
  // no plain base model.
  bool take_choice(const std::string& key, const Json& value) {
    if (key == "bias") {
      if (value.is_string()) config_.bias = value.get<std::string>();
      return value == "none" || value == "all" || value == "lora_only";
    }
    if (key != "init_lora_weights") return false;
    if (value == "pissa") config_.residual = PeftResidual::kPissa;
    if (value == "olora") config_.residual = PeftResidual::kOlora;
    return config_.residual != PeftResidual::kNone || value.is_boolean() || value == "gaussian" || value == "eva" ||
           value == "orthogonal" || value == "mica";
  }

  void check(const Json& json) {
    for (const auto& [pattern, rank] : config_.rank_pattern) {
      check_pattern(pattern);
      if (rank < 1) problem("the rank {} of rank_pattern '{}' is not positive", rank, pattern);
    }
    for (const auto& [pattern, alpha] : config_.alpha_pattern) check_pattern(pattern);
    if (json.contains("r") && config_.rank < 1) problem("r = {} is not positive", config_.rank);
  }

  void check_pattern(const std::string& pattern) {
    if (!PathPattern(pattern).is_valid()) problem("the pattern '{}' is not a regular expression", pattern);
  }

  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  PeftConfig config_;
  std::vector<std::string> problems_;
};

template <class Value>
Json object_of(const PeftConfig::Patterns<Value>& patterns) {
  Json object = Json::object();
  for (const auto& [pattern, value] : patterns) object[pattern] = value;
  return object;
}

Json list_or_null(const std::vector<std::string>& texts) {
  return texts.empty() ? Json() : Json(texts);
}

Json init_of(PeftResidual residual) {
  return residual == PeftResidual::kNone ? Json(true) : residual == PeftResidual::kPissa ? "pissa" : "olora";
}

}  // namespace

int64_t PeftConfig::rank_at(const std::string& module_path) const {
  return patterned(rank_pattern, module_path, rank);
}

double PeftConfig::scale(const std::string& module_path) const {
  const auto r = static_cast<double>(rank_at(module_path));
  return patterned(alpha_pattern, module_path, alpha) / (rank_stabilized ? std::sqrt(r) : r);
}

PeftConfig parse_peft_config(std::string_view text, const std::string& path) {
  return ConfigReader().read(parse_json(text, path), path);
}

std::string print_peft_config(const PeftConfig& c) {
  Json json = {{"alpha_pattern", object_of(c.alpha_pattern)},
               {"auto_mapping", nullptr},
               {"base_model_name_or_path", c.base_model},
               {"bias", c.bias},
               {"fan_in_fan_out", false},
               {"inference_mode", true},
               {"init_lora_weights", init_of(c.residual)},
               {"lora_alpha", c.alpha},
               {"lora_dropout", c.dropout},
               {"modules_to_save", list_or_null(c.modules_to_save)},
               {"peft_type", "LORA"},
               {"r", c.rank},
               {"rank_pattern", object_of(c.rank_pattern)},
               {"target_modules", c.targets_is_regex ? Json(c.targets.at(0)) : Json(c.targets)},
               {"task_type", c.task.empty() ? Json() : Json(c.task)},
               {"use_dora", false},
               {"use_rslora", c.rank_stabilized}};
  if (c.keeps_tying) json["ensure_weight_tying"] = true;  // unknown to older releases of peft
  // peft's own type for alpha is a whole number; it reads others too.
  if (c.alpha == std::floor(c.alpha)) json["lora_alpha"] = static_cast<int64_t>(c.alpha);
  return to_lines(json);
}

}  // namespace usam::io
