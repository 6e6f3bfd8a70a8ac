#pragma once
// Where a model's weights come from and how they are kept; what the configs of encoders and language models share.
#include <string>

#include "src/base/config.h"

namespace usam {

enum class Init { kPretrained, kRandom };
// How a model's linear layers keep their weights: in the model's own type, or in fewer bits.
enum class KeptStore { kDtype, kBFloat16, kFloat16, kInt8, kInt8Dynamic, kNf4, kBFloat16Dynamic };
enum class KeptDtype { kFloat32, kBFloat16, kFloat16, kAuto };

// The keys `path`, `init`, `dtype` and `store`: a Hugging Face folder, or random values with sizes in the config.
struct ModelSource {
  Path path;
  Init init = Init::kPretrained;
  KeptDtype dtype = KeptDtype::kFloat32;
  KeptStore store = KeptStore::kDtype;
  bool is_random() const { return init == Init::kRandom; }
};

// Lists the keys; the rules are the caller's, with source_problem().
void describe_source(Fields& f, ModelSource& source);
// What is wrong with them: weights named twice or not at all; else "". `model` is "an encoder" or "a language model".
std::string source_problem(const ModelSource& source, const std::string& model);

}  // namespace usam
