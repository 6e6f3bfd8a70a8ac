#include "src/models/model_source.h"

namespace usam {

void describe_source(Fields& f, ModelSource& source) {
  f("path", source.path, "Hugging Face folder with config.json and model.safetensors or its shards").must_exist();
  f.choice("init", source.init, {{"pretrained", Init::kPretrained}, {"random", Init::kRandom}},
           "pretrained: weights and sizes from the folder; random: new weights of the sizes written here");
  f.choice("dtype", source.dtype,
           {{"float32", KeptDtype::kFloat32},
            {"bfloat16", KeptDtype::kBFloat16},
            {"float16", KeptDtype::kFloat16},
            {"auto", KeptDtype::kAuto}},
           "type that the model computes in and keeps its weights in; auto: the folder's own. Weights that have it on "
           "disk are used where they are mapped, shared by the ranks of a node");
  f.choice("store", source.store,
           {{"dtype", KeptStore::kDtype},
            {"bfloat16", KeptStore::kBFloat16},
            {"bfloat16_dynamic", KeptStore::kBFloat16Dynamic},
            {"float16", KeptStore::kFloat16},
            {"int8", KeptStore::kInt8},
            {"int8_dynamic", KeptStore::kInt8Dynamic},
            {"nf4", KeptStore::kNf4}},
           "how linear layers keep their weights, which are then frozen: as dtype says, or in fewer "
           "bits; bfloat16_dynamic, int8_dynamic: their products are of such numbers too (docs/precision.md)");
}

std::string source_problem(const ModelSource& source, const std::string& model) {
  if (!source.is_random() && source.path.empty())
    return model + " needs 'path' (a Hugging Face folder) or 'init: random' with sizes";
  if (!source.is_random()) return "";
  if (!source.path.empty()) return "'path' and 'init: random' exclude each other: leave one out";
  if (source.dtype == KeptDtype::kAuto) return "'dtype: auto' is the type of a folder's weights; name one";
  return "";
}

}  // namespace usam
