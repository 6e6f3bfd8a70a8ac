#include "trainer/prometheus.h"

#include <fmt/format.h>

#include <cmath>

namespace usam {
namespace {

// Of a label's value: backslash, quote and line feed are escaped.
std::string escaped_label(const std::string& value) {
  std::string text;
  for (const char c : value)
    text += c == '\n' ? "\\n" : c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return text;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string family(const std::string& name, const std::string& type, const std::string& run, const Json& values) {
  std::string text;
  for (const auto& [figure, value] : values.items())
    if (value.is_number())
      text += fmt::format("{}{{run=\"{}\",name=\"{}\"}} {}\n", name, escaped_label(run), escaped_label(figure),
                          number_text(value.get<double>()));
  return text.empty() ? "" : fmt::format("# TYPE {} {}\n", name, type) + text;
}

}  // namespace

std::string prometheus_text(const std::string& run, const Json& figures) {
  Json train = figures;
  train.erase("step");
  const auto part = [&](const char* name) { return figures.value(name, Json::object()); };
  return fmt::format("# TYPE usam_step gauge\nusam_step{{run=\"{}\"}} {}\n", escaped_label(run),
                     figures.at("step").get<int64_t>()) +
         family("usam_train", "gauge", run, train) + family("usam_eval", "gauge", run, part("eval")) +
         family("usam_time", "gauge", run, part("time")) + family("usam_health_total", "counter", run, part("health"));
}

}  // namespace usam
