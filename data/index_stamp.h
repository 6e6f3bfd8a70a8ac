#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/json.h"

namespace usam::data {

// A file as it was when it was read: size, time of its last change, hash of samples of it and, up to some GB, of all.
struct FileStamp {
  std::string name;  // relative to the source's folder where it lies in there
  int64_t size = 0, changed_ns = 0;
  std::string sample, whole;
};

// UserError for a file that cannot be read. The hash of all is left out where it is not wanted.
std::vector<FileStamp> stamp_files(const std::string& source, const std::vector<std::string>& files,
                                   bool with_whole = true);
// What has changed since the stamps were taken, as a sentence, or nothing. `is_touched`: the bytes are the same, the
// time of a file is another.
std::string changed_since(const std::vector<FileStamp>& stamps, const std::string& source,
                          const std::vector<std::string>& files, bool& is_touched);

Json to_json(const std::vector<FileStamp>& stamps);
// Json exceptions for what is no such list.
std::vector<FileStamp> stamps_from(const Json& json);

}  // namespace usam::data
