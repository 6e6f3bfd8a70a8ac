#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace usam::serve {

// One field of a form. The views are into the body.
struct FormPart {
  std::string name, file_name;
  bool is_file = false;  // it has a file name, perhaps an empty one
  std::string_view bytes;
};

// The parts of a multipart/form-data body (RFC 7578). ApiError 400: another content type, a missing boundary, a part
// without a name, a body that ends before its closing boundary, more than 64 parts, a part's head above 8 KiB.
std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body);

}  // namespace usam::serve
