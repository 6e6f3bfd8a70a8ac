#include "data/manifest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "data/audio/decode.h"
#include "data/manifest_line.h"
#include "src/base/error.h"
#include "src/base/log.h"

namespace usam::data {
namespace {

// Why a file that starts with these bytes is no manifest, or "".
std::string wrong_encoding(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0x20u; };
  if ((byte(0) == 0xff && byte(1) == 0xfe) || (byte(0) == 0xfe && byte(1) == 0xff) || byte(0) == 0 || byte(1) == 0)
    return "the file is UTF-16 or UTF-32 text; save it as UTF-8";
  if (byte(0) == 0x1f && byte(1) == 0x8b) return "the file is compressed; unpack it with gunzip";
  return "";
}

std::string_view without_mark(std::string_view text) {
  return text.substr(0, 3) == "\xef\xbb\xbf" ? text.substr(3) : text;
}

}  // namespace

// The bytes of a file, mapped read-only.
class Manifest::Mapping {
 public:
  // UserError: the reason alone.
  explicit Mapping(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw UserError(std::strerror(errno));
    struct stat info{};
    const bool regular = fstat(file, &info) == 0 && S_ISREG(info.st_mode);
    if (regular && info.st_size > 0) {
      size_ = static_cast<size_t>(info.st_size);
      data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    close(file);
    if (!regular) throw UserError("not a file");
    if (data_ == MAP_FAILED) throw UserError("cannot be mapped into memory");
  }
  ~Mapping() {
    if (size_ > 0) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

Manifest::Manifest(std::string path, int64_t source)
    : path_(std::move(path)),
      folder_(std::filesystem::absolute(path_).parent_path().lexically_normal().string()),
      source_(source) {}

std::shared_ptr<Manifest> Manifest::open(const std::string& path, const ManifestOptions& options, SeenKeys& seen,
                                         ManifestProblems& problems) {
  std::shared_ptr<Manifest> manifest(new Manifest(path, options.source));
  try {
    manifest->mapping_ = std::make_shared<Mapping>(path);
  } catch (const UserError& reason) {
    problems.add(fmt::format("{}: the manifest cannot be read: {}", path, reason.what()));
    return manifest;
  }
  if (const auto wrong = wrong_encoding(manifest->mapping_->text()); !wrong.empty()) {
    problems.add(fmt::format("{}: {}", path, wrong));
    return manifest;
  }
  manifest->index_lines(options, seen, problems);
  if (problems.empty()) manifest->measure_missing();
  return manifest;
}

std::shared_ptr<Manifest> Manifest::open(const std::string& path, const ManifestOptions& options) {
  SeenKeys seen;
  ManifestProblems problems;
  auto manifest = open(path, options, seen, problems);
  problems.raise();
  return manifest;
}

void Manifest::index_lines(const ManifestOptions& options, SeenKeys& seen, ManifestProblems& problems) {
  const std::string_view text = mapping_->text();
  int64_t number = 0;
  bool any = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    ++number;
    const std::string_view line = without_mark(text.substr(begin, end - begin));
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
      any = true;
      add_line(line, number, options, seen, problems);
    }
    begin = end + 1;
  }
  if (!any) problems.add(fmt::format("{}: the manifest holds no row", path_));
}

bool Manifest::add_line(std::string_view text, int64_t number, const ManifestOptions& options, SeenKeys& seen,
                        ManifestProblems& problems) {
  const auto refuse = [&](const std::string& reason) {
    problems.add(fmt::format("{}:{}: {}", path_, number, reason));
    return false;
  };
  if (text.size() > UINT32_MAX) return refuse("the line is longer than 4 GiB");
  ManifestLine line;
  if (const auto problem = parse_manifest_line(text, line)) return refuse(*problem);
  if (!options.tasks.empty() && line.prompt.empty() && !options.tasks.contains(line.task)) {
    std::string known;
    for (const auto& task : options.tasks) known += (known.empty() ? "" : ", ") + task;
    return refuse(fmt::format("unknown task '{}'; the recipe has prompts for: {}", line.task, known));
  }
  const auto [earlier, is_new] = seen.try_emplace(line.key, path_, number);
  if (!is_new)
    return refuse(
        fmt::format("key '{}' stands in {}:{} already", line.key, earlier->second.first, earlier->second.second));
  entries_.push_back({static_cast<uint64_t>(text.data() - mapping_->text().data()), static_cast<uint32_t>(text.size()),
                      static_cast<uint32_t>(number), line.seconds});
  return true;
}

std::string Manifest::audio_path(const std::string& wav) const {
  return (std::filesystem::path(folder_) / wav).lexically_normal().string();
}

Row Manifest::row(int64_t index) const {
  const Entry& entry = entries_.at(static_cast<size_t>(index));
  ManifestLine line;
  if (const auto problem = parse_manifest_line(mapping_->text().substr(entry.offset, entry.bytes), line))
    user_error("{}:{}: the manifest changed while it was in use: {}", path_, entry.line, *problem);
  Row row;
  row.key = std::move(line.key);
  row.audios.resize(1);
  row.audio().path = audio_path(line.wav);
  row.audio().is_part = line.offset >= 0;
  row.audio().offset = std::max(line.offset, 0.0);
  row.task = std::move(line.task);
  row.prompt = std::move(line.prompt);
  row.references = split_references(line.label);
  row.tags = std::move(line.tags);
  row.seconds = entry.seconds;
  row.source = source_;
  row.line = entry.line;
  return row;
}

void Manifest::measure_missing() {
  int64_t measured = 0;
  for (int64_t i = 0; i < size(); ++i) {
    Entry& entry = entries_[static_cast<size_t>(i)];
    if (entry.seconds >= 0) continue;
    entry.seconds = 0;
    ++measured;
    try {
      const Row measured_row = row(i);
      entry.seconds = std::max(audio::probe(measured_row.audio()).seconds - measured_row.audio().offset, 0.0);
    } catch (const UserError&) {
      // Reading the sample will fail too, under `data.on_error`.
    }
  }
  if (measured > 0) log::info("{}: the lengths of {} rows without 'dur' were read from their files", path_, measured);
}

std::vector<std::string> check_audio(const Source& source, int64_t at_most) {
  std::vector<std::string> problems;
  for (int64_t i = 0; i < source.size() && std::ssize(problems) < at_most; ++i) {
    const Row row = source.row(i);
    const auto report = [&](const std::string& reason) {
      problems.push_back(fmt::format("{}: {}: {}", source.place(i), row.key, reason));
    };
    try {
      const double file = audio::probe(row.audio()).seconds, found = file - row.audio().offset;
      const double apart = row.audio().is_part ? row.seconds - found : std::abs(row.seconds - found);
      if (found <= 0)
        report(fmt::format("'offset' is {} s, but {} holds {:.2f} s", row.audio().offset, row.audio().shown(), file));
      else if (row.seconds >= 0 && apart > 0.1 && apart > 0.05 * row.seconds)
        report(row.audio().is_part
                   ? fmt::format("'offset' {} s and 'dur' {} s reach beyond the end of {}, which holds {:.2f} s",
                                 row.audio().offset, row.seconds, row.audio().shown(), file)
                   : fmt::format("'dur' is {} s, but {} holds {:.2f} s", row.seconds, row.audio().shown(), file));
    } catch (const UserError& e) {
      report(e.what());
    }
  }
  return problems;
}

}  // namespace usam::data
