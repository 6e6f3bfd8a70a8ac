#include "src/eval/html/markup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "src/base/base64.h"

namespace usam::eval::html {
namespace {

std::string escaped(std::string_view plain) {
  std::string out;
  out.reserve(plain.size());
  for (const char c : plain) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const bool is_control = (static_cast<uint8_t>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
        if (is_control) {
          out += "\uFFFD";
        } else {
          out += c;
        }
      }
    }
  }
  return out;
}

bool is_void(const std::string& name) {
  static constexpr std::array names = {"img", "br", "meta"};
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Markup Markup::trusted(std::string bytes) {
  Markup markup;
  markup.bytes_ = std::move(bytes);
  return markup;
}

Markup& Markup::operator+=(const Markup& more) {
  bytes_ += more.bytes_;
  return *this;
}

Markup operator+(Markup a, const Markup& b) {
  return a += b;
}

Markup text(std::string_view plain) {
  return Markup::trusted(escaped(plain));
}

Markup element(const std::string& name, const Attributes& attributes, const Markup& inside) {
  std::string bytes = "<" + name;
  for (const auto& [key, value] : attributes) bytes += " " + key + "=\"" + escaped(value) + "\"";
  bytes += ">" + inside.bytes();
  if (!is_void(name)) bytes += "</" + name + ">";
  return Markup::trusted(std::move(bytes));
}

Markup element(const std::string& name, const Markup& inside) {
  return element(name, {}, inside);
}

std::string data_uri(const std::string& type, std::string_view bytes) {
  return fmt::format("data:{};base64,{}", type, to_base64(bytes));
}

}  // namespace usam::eval::html
