#include "recipes/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "src/base/text.h"
#include "src/tensor/coded.h"

namespace usam::recipes {
namespace {

struct PartSize {
  int64_t all = 0, trained = 0, bytes = 0;
  void add(const PartSize& other) { all += other.all, trained += other.trained, bytes += other.bytes; }
};

std::string millions(int64_t count) {
  return fmt::format("{:.2f} M", static_cast<double>(count) / 1e6);
}

// "encoders.ced" of "encoders.ced.blocks.0....": the part that a parameter belongs to.
std::string part_of(const std::string& path) {
  const auto first = path.find('.');
  const std::string head = path.substr(0, first);
  if (head != "encoders" && head != "mixes") return head;
  return path.substr(0, path.find('.', first + 1));
}

std::map<std::string, PartSize> sizes_of(Recipe& recipe) {
  const auto coded = coded_parameters(recipe.module());
  const std::set<std::string> scales(coded.scales.begin(), coded.scales.end());
  std::map<std::string, PartSize> parts;
  std::set<const void*> seen;  // tied weights count once
  for (const auto& parameter : recipe.module().named_parameters()) {
    const torch::Tensor& tensor = parameter.value();
    if (!seen.insert(tensor.unsafeGetTensorImpl()).second) continue;
    int64_t count = scales.contains(parameter.key()) ? 0 : tensor.numel();
    if (const auto found = coded.modules.find(parameter.key()); found != coded.modules.end())
      count = c10::multiply_integers(found->second->value_sizes());
    parts[part_of(parameter.key())].add(
        {count, tensor.requires_grad() ? count : 0, static_cast<int64_t>(tensor.nbytes())});
  }
  return parts;
}

}  // namespace

std::string parameter_summary(Recipe& recipe) {
  PartSize all;
  std::string parts;
  for (const auto& [name, size] : sizes_of(recipe)) {
    all.add(size);
    if (size.trained > 0) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", name, millions(size.trained));
  }
  return fmt::format("parameters: {}, of which {} are trained ({})", millions(all.all), millions(all.trained), parts);
}

std::string parameter_table(Recipe& recipe) {
  PartSize all;
  auto sizes = sizes_of(recipe);
  size_t width = 0;
  for (const auto& [name, size] : sizes) {
    all.add(size);
    width = std::max(width, name.size());
  }
  std::string text = parameter_summary(recipe) + "\n";
  const auto line = [&](const std::string& name, const PartSize& size) {
    text += fmt::format("  {:<{}}  {:>10}  {:>10} trained  {:>10} frozen  {:>10}\n", name, width, millions(size.all),
                        millions(size.trained), millions(size.all - size.trained), human_bytes(size.bytes));
  };
  for (const auto& [name, size] : sizes) line(name, size);
  line("all", all);
  return text;
}

}  // namespace usam::recipes
