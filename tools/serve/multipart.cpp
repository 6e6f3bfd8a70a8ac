#include "tools/serve/multipart.h"

#include "src/base/text.h"
#include "tools/serve/api_error.h"

namespace usam::serve {
namespace {

constexpr size_t kMostParts = 64, kLongestHead = 8192, kLongestBoundary = 70;

std::string lower(std::string_view text) {
  return ascii_lower(std::string(text));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct Parameter {
  std::string name, value;
};

// `; name=value; name="quoted \" value"`, after the header's first word.
std::vector<Parameter> parameters(std::string_view header) {
  std::vector<Parameter> all;
  size_t at = header.find(';');
  while (at < header.size()) {
    const size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) break;
    Parameter one{lower(trimmed(header.substr(at + 1, equals - at - 1))), ""};
    at = equals + 1;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        const bool is_escape =
            header[at] == '\\' && at + 1 < header.size() && (header[at + 1] == '"' || header[at + 1] == '\\');
        one.value += header[at += is_escape];
      }
      at = header.find(';', at);
    } else {
      const size_t end = std::min(header.find(';', at), header.size());
      one.value = trimmed(header.substr(at, end - at));
      at = end;
    }
    all.push_back(std::move(one));
  }
  return all;
}

std::string boundary_of(std::string_view content_type) {
  const auto kind = lower(trimmed(content_type.substr(0, content_type.find(';'))));
  if (kind != "multipart/form-data")
    bad_request("", "The body must be multipart/form-data, not '{}'.", kind.substr(0, 100));
  for (const auto& [name, value] : parameters(content_type)) {
    if (name == "boundary" && !value.empty() && value.size() <= kLongestBoundary) return value;
  }
  bad_request("", "The content type multipart/form-data names no boundary of 1 to {} characters.", kLongestBoundary);
}

FormPart parse_head(std::string_view head) {
  FormPart part;
  while (!head.empty()) {
    const auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || lower(trimmed(line.substr(0, colon))) != "content-disposition") continue;
    for (auto& [name, value] : parameters(line.substr(colon + 1))) {
      if (name == "name") part.name = value;
      if (name == "filename") part.file_name = value, part.is_file = true;
    }
  }
  if (part.name.empty()) bad_request("", "A part of the form has no name.");
  return part;
}

}  // namespace

std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body) {
  const std::string boundary = "--" + boundary_of(content_type);
  const auto cut = [] { bad_request("", "The form ends before its closing boundary."); };
  std::vector<FormPart> parts;
  size_t at = 0;
  if (!body.starts_with(boundary)) {  // text before the first boundary counts for nothing
    at = body.find("\r\n" + boundary);
    if (at == std::string_view::npos)
      bad_request("", "The body does not hold the boundary that its content type names.");
    at += 2;
  }
  while (true) {
    at += boundary.size();
    if (body.substr(at, 2) == "--") return parts;
    const size_t line = body.find("\r\n", at);
    if (line == std::string_view::npos) cut();
    if (parts.size() == kMostParts) bad_request("", "The form has more than {} parts.", kMostParts);
    const size_t end = body.find("\r\n\r\n", line);  // of the head, which may have no line at all
    if (end == std::string_view::npos) cut();
    if (end - line > kLongestHead) bad_request("", "The head of a part is longer than {} bytes.", kLongestHead);
    FormPart part = parse_head(end > line ? body.substr(line + 2, end - line - 2) : "");
    const size_t begin = end + 4, stop = body.find("\r\n" + boundary, end + 2);
    if (stop == std::string_view::npos) cut();
    part.bytes = stop > begin ? body.substr(begin, stop - begin) : "";
    parts.push_back(std::move(part));
    at = stop + 2;
  }
}

}  // namespace usam::serve
