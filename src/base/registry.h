#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "src/base/config.h"
#include "src/base/error.h"

namespace usam {

// Parts of one kind by type name: the config struct each brings and how it is built. A kind has one registry, filled by
// the explicit list in its register.cpp; nothing registers itself.
template <class Product, class... Args>
class Registry {
 public:
  // Adds a part whose config struct is C; `build` makes the product from it.
  template <class C>
  void add(const std::string& type, std::function<std::shared_ptr<Product>(const C&, Args...)> build) {
    choices_[type] = [] { return std::make_unique<HeldConfig<C>>(); };
    builders_[type] = [build](const Part& part, Args... args) { return build(part.as<C>(), args...); };
  }
  // Builds the part picked in the config.
  std::shared_ptr<Product> build(const Part& part, Args... args) const {
    auto found = builders_.find(part.type);
    if (found == builders_.end()) internal_error("no builder is registered for type '{}'", part.type);
    return found->second(part, args...);
  }
  const ConfigChoices& choices() const { return choices_; }

 private:
  ConfigChoices choices_;
  std::map<std::string, std::function<std::shared_ptr<Product>(const Part&, Args...)>> builders_;
};

}  // namespace usam
