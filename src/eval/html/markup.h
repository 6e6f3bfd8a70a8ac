#pragma once
// HTML as a type of its own: whatever comes from outside passes through text() or an attribute and is escaped there.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace usam::eval::html {

class Markup {
 public:
  Markup() = default;
  // Written by this program: it stands in the page as it is.
  static Markup trusted(std::string bytes);
  Markup& operator+=(const Markup& more);
  bool empty() const { return bytes_.empty(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};
Markup operator+(Markup a, const Markup& b);

// Text as it reads: & < > " ' are escaped, control characters become U+FFFD.
Markup text(std::string_view plain);

using Attributes = std::vector<std::pair<std::string, std::string>>;
// <name attribute="value">inside</name>; void elements (img, br, meta) have no end.
Markup element(const std::string& name, const Attributes& attributes, const Markup& inside = {});
Markup element(const std::string& name, const Markup& inside);

// A data: URI.
std::string data_uri(const std::string& type, std::string_view bytes);

}  // namespace usam::eval::html
