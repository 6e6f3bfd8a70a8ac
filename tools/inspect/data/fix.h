#pragma once
#include <string>

#include "tools/inspect/data/scan.h"

namespace usam::inspect {

// Refuses, before anything is read, an output that is there already.
void check_fix_output(const std::string& output);
// OUT-rejects.jsonl of OUT.jsonl.
std::string rejects_path(const std::string& output);

struct Fixed {
  int64_t kept = 0, mended = 0, rejected = 0;
};
// Writes the rows of a manifest that may be used, in U-SAM's dialect with paths relative to the file, mended as
// text_of() says, and the others to rejects_path() as {"row", "file", "line", "reason"}: both files whole or absent.
// UserError: rows in tars, which that dialect cannot name.
Fixed write_fixed(const Scan& scan, const std::string& output);

}  // namespace usam::inspect
