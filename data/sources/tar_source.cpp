#include "data/sources/tar_source.h"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "data/json_row.h"
#include "data/row_reader.h"
#include "data/row_text.h"
#include "src/base/log.h"

namespace usam::data {
namespace {

constexpr int64_t kMostThreads = 8;
constexpr size_t kLongestLine = 64 << 20;

// What the index keeps in place of a recording's name: the row, without what the index's columns hold.
std::string print_row(const TarRow& one) {
  const ManifestLine& row = one.row;
  Json all = {one.member.name, row.key, row.label, row.task, row.prompt, row.offset};
  if (!row.tags.empty() || !row.extra.empty()) all.insert(all.end(), {Json(row.tags), Json(row.extra)});
  return all.dump();
}

ManifestLine parse_row(const std::string& text, std::string& member) {
  const Json all = Json::parse(text);
  ManifestLine row;
  member = all.at(0);
  row.key = all.at(1);
  row.label = all.at(2);
  row.task = all.at(3);
  row.prompt = all.at(4);
  row.offset = all.at(5);
  if (all.size() > 6) row.tags = all.at(6).get<std::vector<std::string>>();
  if (all.size() > 7) row.extra = all.at(7);
  return row;
}

}  // namespace

void TarRows::refuse(int32_t file, const UserError& error) {
  builder_.refuse(file, 0, without_name(error.what(), files_[static_cast<size_t>(file)]));
}

void TarRows::add(TarRow one) {
  ManifestLine& row = one.row;
  if (row.key.empty()) {
    row.key = one.name;
    if (!names_.insert(key_hash(one.name)).second) {
      row.key = std::filesystem::path(files_[static_cast<size_t>(one.tar)]).stem().string() + "/" + one.name;
      ++renamed_;
    }
  }
  const std::string whole = print_row(one);
  builder_.add({.key = row.key,
                .task = row.task,
                .has_prompt = !row.prompt.empty(),
                .text = {one.file, 0, std::ssize(whole)},
                .check = text_check(whole),
                .line = one.line,
                .seconds = row.seconds,
                .label_bytes = label_bytes(row),
                .member = {one.tar, one.member.begin, one.member.bytes},
                .name = whole});
}

std::shared_ptr<TarSource> TarSource::open(const ManifestConfig& config, const std::function<TarFormat()>& format,
                                           const ManifestOptions& options, SeenKeys& seen, ManifestProblems& problems) {
  std::shared_ptr<TarSource> source(new TarSource(config, options.source));
  if (!config.audio_root.empty() || !config.prefix.empty())
    problems.add(
        fmt::format("{}: 'audio_root' and 'prefix' say where audio files lie, but these lie in tars; remove them",
                    config.path.value));
  TarFormat shards;
  try {
    shards = format();
  } catch (const UserError& e) {
    problems.add(e.what());
    return source;
  }
  IndexRequest request;
  request.reader = shards.reader;
  request.files = shards.files;
  request.build = [&](IndexBuilder& builder) {
    TarRows rows(builder, shards.files);
    shards.read(rows);
    if (rows.renamed() > 0)
      log::info("{}: {} samples have the name of an earlier one; their keys begin with their shard's name",
                config.path.value, rows.renamed());
  };
  source->open_rows(std::move(request), options, seen, problems);
  seen.add(source);
  return source;
}

Row TarSource::row_at(const Index& index, int64_t number) const {
  AudioRef audio;
  const std::string whole = index.member_name(number);
  if (text_check(whole) != index.check(number))
    user_error("{}: the index of the tar shards is damaged; remove it, and it is made again", index.place(number));
  ManifestLine line = parse_row(whole, audio.member);
  const FileSpan member = index.member(number);
  audio.path = index.files().at(static_cast<size_t>(member.file));
  audio.begin = member.begin;
  audio.bytes = member.bytes;
  audio.is_part = line.offset >= 0;
  audio.offset = std::max(line.offset, 0.0);
  Row row = row_of(std::move(line), index, number);
  row.audios = {std::move(audio)};
  return row;
}

std::string without_name(std::string_view message, const std::string& file) {
  return std::string(message.starts_with(file + ": ") ? message.substr(file.size() + 2) : message);
}

int64_t total_bytes(const std::vector<std::string>& files) {
  int64_t total = 0;
  for (const auto& file : files) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (!error) total += static_cast<int64_t>(size);
  }
  return total;
}

int64_t scan_threads() {
  return std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, kMostThreads);
}

void read_lines(const std::string& path, const std::function<void(int64_t, std::string_view)>& use) {
  std::string pending;
  int64_t number = 0;
  const auto take = [&](std::string_view line) {
    if (++number == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (!is_blank(line)) use(number, line);
  };
  const auto split_off = [&](std::string_view piece) {
    for (size_t end; (end = piece.find('\n')) != std::string_view::npos; piece.remove_prefix(end + 1)) {
      pending += piece.substr(0, end);
      take(pending);
      pending.clear();
    }
    pending += piece;
    if (pending.size() > kLongestLine)
      user_error("{}: line {} is longer than {} bytes; is it a text file?", path, number + 1, kLongestLine);
  };
  if (path.ends_with(".gz")) {
    unpack_gz(path, split_off);
  } else {
    constexpr int64_t kBytes = 1 << 20;
    const auto text = open_row_text(path);
    if (const auto wrong = wrong_encoding(text->read(0, 4)); !wrong.empty()) user_error("{}: {}", path, wrong);
    for (int64_t at = 0; at < text->size(); at += kBytes) split_off(text->read(at, kBytes));
  }
  take(pending);
}

}  // namespace usam::data
