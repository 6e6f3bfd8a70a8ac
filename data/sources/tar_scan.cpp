#include "data/sources/tar_scan.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "data/tar_header.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr size_t kBlockBytes = 8192;         // read for each header; the members' own bytes are passed over
constexpr int64_t kLongestName = 4096;       // what no file system stores is no file's name
constexpr int64_t kMostPadding = 1LL << 20;  // zeros behind the end: tar fills a record, tape drives larger ones

// libarchive reads names in the thread's locale; the program's own is "C", in which only ASCII has names.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_) before_ = uselocale(locale_);
  }
  ~Utf8Locale() {
    if (!locale_) return;
    uselocale(before_);
    freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_, before_ = nullptr;
};

struct Descriptor {
  int number = -1;
  explicit Descriptor(const std::string& path) : number(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

// "gzip", ... by the first bytes of a file that is compressed; else "".
std::string compression(std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return "gzip";
  if (head.starts_with("\x28\xb5\x2f\xfd")) return "zstd";
  if (head.starts_with("BZh")) return "bzip2";
  if (head.starts_with("\xfd"
                       "7zXZ"))
    return "xz";
  if (head.starts_with("\x04\x22\x4d\x18")) return "lz4";
  return "";
}

// The size of a tar that can be read, and that it looks like one.
int64_t checked_size(const std::string& path, int file) {
  struct stat info{};
  if (file < 0) user_error("{}: the tar shard cannot be read: {}", path, std::strerror(errno));
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) user_error("{}: the tar shard is not a file", path);
  if (info.st_size == 0) user_error("{}: the tar shard is empty; write it again", path);
  std::array<char, 8> head{};
  const ssize_t got = pread(file, head.data(), head.size(), 0);
  const auto packed = compression({head.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))});
  if (!packed.empty())
    user_error(
        "{}: a tar shard that is compressed ({}) cannot be read at random places; unpack it (audio hardly "
        "shrinks) or write the shards again as plain .tar",
        path, packed);
  return info.st_size;
}

std::string kind_of(char type) {
  switch (type) {
    case '1':
      return "a hard link, which is never followed";
    case '2':
      return "a symbolic link, which is never followed";
    case '3':
      return "a character device";
    case '4':
      return "a block device";
    case '6':
      return "a named pipe";
    case 'S':
      return "a sparse file";
    case 'M':
      return "the rest of a file whose beginning is in another tar";
    default:
      return fmt::format("a member of type 0x{:02x}", static_cast<uint8_t>(type));
  }
}

bool is_by_product(std::string_view name) {
  const auto base = name.substr(name.rfind('/') + 1);
  return base.starts_with("._") || name.find("PaxHeader") != std::string_view::npos;
}

class Scan {
 public:
  Scan(const std::string& path, int file, int64_t size)
      : path_(path), file_(file), size_(size), archive_(archive_read_new(), archive_read_free) {
    archive_read_support_format_tar(archive_.get());
    if (archive_read_open_fd(archive_.get(), file, kBlockBytes) != ARCHIVE_OK) refuse_archive();
  }

  void run(const std::function<void(const TarMember&)>& use) {
    archive_entry* entry = nullptr;
    while (true) {
      const int result = archive_read_next_header(archive_.get(), &entry);
      if (result == ARCHIVE_EOF) break;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) refuse_archive();
      const auto member = member_of(entry);
      if (member) use(*member);
      end_ = position() + (archive_entry_size(entry) + kTarBlock - 1) / kTarBlock * kTarBlock;
    }
    check_end();
  }

 private:
  int64_t position() const { return archive_filter_bytes(archive_.get(), 0); }

  [[noreturn]] void refuse_archive() const {
    const char* reason = archive_error_string(archive_.get());
    user_error("{}: the tar shard is damaged or no tar: {} (near byte {}); write or copy it again", path_,
               reason ? reason : "it cannot be read", position());
  }

  std::optional<TarMember> member_of(archive_entry* entry) const {
    TarMember member;
    const char* name = archive_entry_pathname(entry);
    member.name = as_utf8(name ? name : "");
    if (archive_entry_filetype(entry) == AE_IFDIR || is_by_product(member.name)) return std::nullopt;
    member.begin = position();
    member.bytes = archive_entry_size(entry);
    if (std::ssize(member.name) > kLongestName)
      user_error("{}: a member's name has {} bytes; the tar shard is damaged, write it again", path_,
                 member.name.size());
    if (member.bytes < 0 || member.bytes > size_ - member.begin)
      user_error(
          "{}: {}: the tar shard ends before this member of {} bytes does: it is cut off or damaged; write or "
          "copy it again",
          path_, member.name, member.bytes);
    member.problem = problem_of(entry, member);
    return member;
  }

  // The block before the member's bytes must say of them what libarchive does: what reads the member later looks at no
  // other.
  std::string problem_of(archive_entry* entry, const TarMember& member) const {
    std::array<char, kTarBlock> block{};
    if (member.begin < kTarBlock || pread(file_, block.data(), block.size(), member.begin - kTarBlock) != kTarBlock)
      return "its header cannot be read";
    const char type = block[156];
    if (archive_entry_hardlink(entry)) return kind_of('1');
    if (archive_entry_sparse_count(entry) > 0) return kind_of('S');
    if (type != '0' && type != '\0' && type != '7') return kind_of(type);
    if (archive_entry_filetype(entry) != AE_IFREG) return kind_of('?');
    if (tar_member_size({block.data(), block.size()}) != member.bytes)
      return "its headers contradict each other about its size";
    if (member.name.empty()) return "a file without a name";
    return "";
  }

  // A tar ends with blocks of zeros; behind them nothing may follow that would go unread.
  void check_end() const {
    std::array<char, kBlockBytes> block{};
    for (int64_t at = end_; at < std::min(size_, end_ + kMostPadding); at += kBlockBytes) {
      const ssize_t got = pread(file_, block.data(), block.size(), at);
      const std::string_view bytes(block.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
      if (bytes.find_first_not_of('\0') != std::string_view::npos)
        user_error(
            "{}: further data follows behind the end of the tar (at byte {}), as if tars had been joined; "
            "unpack it with tar --ignore-zeros and write the shards again",
            path_, at + static_cast<int64_t>(bytes.find_first_not_of('\0')));
    }
  }

  const std::string& path_;
  int file_;
  int64_t size_;
  int64_t end_ = 0;  // behind the last member
  std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
};

// The bytes of the UTF-8 character that a text begins with; 0 where it begins with none.
size_t character_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  if (byte(0) < 0x80) return 1;
  if (byte(0) >= 0xC2 && byte(0) <= 0xDF && follows(1)) return 2;
  const bool is_short = (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool is_none = (byte(0) == 0xED && byte(1) > 0x9F) || (byte(0) == 0xF4 && byte(1) > 0x8F);
  if (is_short || is_none) return 0;
  if ((byte(0) & 0xF0u) == 0xE0u && follows(1) && follows(2)) return 3;
  if (byte(0) >= 0xF0 && byte(0) <= 0xF4 && follows(1) && follows(2) && follows(3)) return 4;
  return 0;
}

}  // namespace

void scan_tar(const std::string& path, const std::function<void(const TarMember&)>& use) {
  const Utf8Locale locale;
  const Descriptor file(path);
  Scan(path, file.number, checked_size(path, file.number)).run(use);
}

std::string as_utf8(const std::string& bytes) {
  std::string text;
  for (std::string_view rest = bytes; !rest.empty();) {
    const size_t count = character_bytes(rest);
    text += count > 0 ? std::string(rest.substr(0, count)) : fmt::format("\\x{:02x}", static_cast<uint8_t>(rest[0]));
    rest.remove_prefix(std::max<size_t>(count, 1));
  }
  return text;
}

}  // namespace usam::data
