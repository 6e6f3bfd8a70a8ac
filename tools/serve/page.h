#pragma once
#include <string>

namespace usam::serve {

// page.html, which the build puts into the program.
const std::string& page();

}  // namespace usam::serve
