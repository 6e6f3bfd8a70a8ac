#include "trainer/recipe.h"

namespace usam {

std::vector<ParameterGroup> Recipe::groups() {
  ParameterGroup all{.name = "all", .parameters = {}};
  for (const auto& parameter : module().named_parameters())
    if (parameter.value().requires_grad()) all.parameters.emplace_back(parameter.key(), parameter.value());
  return {all};
}

}  // namespace usam
