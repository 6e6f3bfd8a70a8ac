#include "data/sources/files.h"

#include <filesystem>

#include "data/audio/decode.h"

namespace usam::data {

FileList::FileList(const std::vector<std::string>& files, const std::string& task, const std::string& prompt) {
  for (const auto& file : files) {
    Row row;
    row.key = file;
    row.audios = {{.path = std::filesystem::absolute(file).lexically_normal()}};
    row.task = task;
    row.prompt = prompt;
    row.seconds = audio::probe(row.audio().path).seconds;
    row.line = static_cast<int64_t>(rows_.size()) + 1;
    rows_.push_back(std::move(row));
  }
}

}  // namespace usam::data
