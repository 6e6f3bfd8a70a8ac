#include "data/index_stamp.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::data {
namespace {

constexpr int64_t kStampBlock = 4096, kSampledBlocks = 1024, kPiece = 1 << 20;
constexpr int64_t kWholeFile = int64_t{4} << 30, kWholeSource = int64_t{16} << 30;  // hashed in full up to here

class File {
 public:
  explicit File(const std::string& path) : path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info{};
    if (descriptor_ < 0 || fstat(descriptor_, &info) != 0) {
      const std::string reason = std::strerror(errno);
      if (descriptor_ >= 0) close(descriptor_);
      user_error("{}: the file cannot be read: {}", path, reason);
    }
    size = info.st_size;
    changed_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  }
  ~File() { close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int64_t size = 0, changed_ns = 0;

  void add_to(XXH3_state_t* hash, int64_t begin, int64_t bytes) const {
    std::string piece(static_cast<size_t>(std::min(bytes, kPiece)), '\0');
    for (int64_t done = 0; done < bytes;) {
      const int64_t count = read_at(descriptor_, piece.data(), std::min(bytes - done, kPiece), begin + done);
      if (count < 0) user_error("{}: the file cannot be read: {}", path_, std::strerror(errno));
      if (count == 0) return;  // shorter by now: another hash says so
      XXH3_64bits_update(hash, piece.data(), static_cast<size_t>(count));
      done += count;
    }
  }

 private:
  std::string path_;
  int descriptor_;
};

using Hash = std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)>;

Hash new_hash() {
  Hash hash(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(hash.get());
  return hash;
}

std::string shown(const Hash& hash) {
  return fmt::format("{:016x}", XXH3_64bits_digest(hash.get()));
}

// Blocks at equal distances, the first and the last among them; all of it where the file is not longer than they are.
std::string sample_of(const File& file, size_t files) {
  const int64_t blocks = std::max<int64_t>(kSampledBlocks / static_cast<int64_t>(files), 4);
  const Hash hash = new_hash();
  if (file.size <= blocks * kStampBlock) {
    file.add_to(hash.get(), 0, file.size);
  } else {
    for (int64_t i = 0; i < blocks; ++i)
      file.add_to(hash.get(), (file.size - kStampBlock) / (blocks - 1) * i, kStampBlock);
    file.add_to(hash.get(), file.size - kStampBlock, kStampBlock);
  }
  return shown(hash);
}

std::string whole_of(const File& file) {
  const Hash hash = new_hash();
  file.add_to(hash.get(), 0, file.size);
  return shown(hash);
}

std::string name_of(const std::string& source, const std::string& file) {
  namespace fs = std::filesystem;
  const fs::path absolute = fs::absolute(file).lexically_normal();
  const fs::path relative = absolute.lexically_relative(fs::absolute(source).lexically_normal().parent_path());
  return (relative.empty() || *relative.begin() == ".." ? absolute : relative).string();
}

}  // namespace

std::vector<FileStamp> stamp_files(const std::string& source, const std::vector<std::string>& files, bool with_whole) {
  std::vector<FileStamp> stamps;
  int64_t total = 0;
  for (const std::string& path : files) {
    const File file(path);
    FileStamp stamp{name_of(source, path), file.size, file.changed_ns, sample_of(file, files.size()), ""};
    total += file.size;
    if (with_whole && file.size <= kWholeFile && total <= kWholeSource) stamp.whole = whole_of(file);
    stamps.push_back(std::move(stamp));
  }
  return stamps;
}

std::string changed_since(const std::vector<FileStamp>& stamps, const std::string& source,
                          const std::vector<std::string>& files, bool& is_touched) {
  is_touched = false;
  if (stamps.size() != files.size())
    return fmt::format("it is of {} files, now there are {}", stamps.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const FileStamp& stamp = stamps[i];
    if (stamp.name != name_of(source, files[i])) return fmt::format("{} is not one of its files", files[i]);
    const File file(files[i]);
    if (file.size != stamp.size) return fmt::format("{} had {} bytes, now it has {}", files[i], stamp.size, file.size);
    if (sample_of(file, files.size()) != stamp.sample) return fmt::format("{} has changed", files[i]);
    if (file.changed_ns == stamp.changed_ns) continue;
    if (stamp.whole.empty() || whole_of(file) != stamp.whole) return fmt::format("{} was written to", files[i]);
    is_touched = true;
  }
  return "";
}

Json to_json(const std::vector<FileStamp>& stamps) {
  Json list = Json::array();
  for (const FileStamp& s : stamps)
    list.push_back(
        {{"name", s.name}, {"size", s.size}, {"changed_ns", s.changed_ns}, {"sample", s.sample}, {"whole", s.whole}});
  return list;
}

std::vector<FileStamp> stamps_from(const Json& json) {
  std::vector<FileStamp> stamps;
  for (const Json& s : json)
    stamps.push_back({s.at("name"), s.at("size"), s.at("changed_ns"), s.at("sample"), s.at("whole")});
  return stamps;
}

}  // namespace usam::data
