#include "tools/inspect/data/fix.h"

#include <fmt/ranges.h>
#include <zlib.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "data/row_reader.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/json.h"
#include "src/text/lettering.h"
#include "tools/inspect/data/report.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

void write_line(AtomicFile& file, const Json& line) {
  file.write(to_line(line) + '\n');
}

using Sentences = std::map<int64_t, std::vector<std::string>>;  // by line; 0 stands for the whole file

// The given lines of a text file, compressed or not; without those that cannot be read. None of a JSON list, whose
// "lines" are its elements.
std::map<int64_t, std::string> read_lines(const std::string& path, const Sentences& wanted) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), &gzclose);
  if (!file || fs::is_directory(path)) return {};
  if (data::detect_format(*data::open_row_text(path), nullptr).layout == data::RowLayout::kList) return {};
  std::map<int64_t, std::string> found;
  int64_t line = 1;
  auto next = wanted.upper_bound(0);
  for (int c = gzgetc(file.get()); c != -1 && next != wanted.end(); c = gzgetc(file.get())) {
    if (c != '\n' && line == next->first) found[line] += static_cast<char>(c);
    if (c == '\n' && line++ == next->first) ++next;
  }
  return found;
}

// A refused line: "FILE:LINE: SENTENCE", or "FILE: SENTENCE" of a whole file.
struct Refused {
  std::string file, sentence;
  int64_t line = 0;
};
Refused parted(const std::string& problem, const std::string& manifest) {
  for (size_t colon = problem.find(':'); colon != std::string::npos; colon = problem.find(':', colon + 1)) {
    const size_t end = problem.find(": ", colon + 1);
    int64_t line = 0;
    const char* const last = problem.data() + std::min(end, problem.size());
    const auto [at, error] = std::from_chars(problem.data() + colon + 1, last, line);
    if (end == std::string::npos || error != std::errc() || at != last) continue;
    return {problem.substr(0, colon), problem.substr(end + 2), line};
  }
  return {manifest, problem, 0};
}

std::string cleaned_label(const data::Row& row) {
  std::string label;
  for (const auto& reference : row.references) {
    const std::string clean = text::without_unseen(reference);
    if (!clean.empty()) label += (label.empty() ? "" : "\t") + clean;
  }
  return label.empty() ? fmt::format("{}", fmt::join(row.tags, ", ")) : label;
}

// A row in U-SAM's dialect.
Json json_of(const data::Row& row, const fs::path& folder, double seconds, const std::string& label) {
  Json json = {{"key", row.key}};
  std::vector<std::string> paths;
  for (const auto& audio : row.audios) paths.push_back(fs::path(audio.path).lexically_proximate(folder).string());
  json["wav"] = paths.size() == 1 ? Json(paths.front()) : Json(paths);
  json["label"] = label;
  if (row.task != kNoTask) json["task"] = row.task;
  if (seconds > 0) json["dur"] = seconds;
  if (row.audio().is_part) json["offset"] = row.audio().offset;
  if (!row.prompt.empty()) json["prompt"] = row.prompt;
  if (!row.tags.empty()) json["tags"] = row.tags;
  const Json extra = Json::parse(row.extra, nullptr, false);
  if (!extra.is_object()) return json;
  for (const auto& [name, value] : extra.items())
    if (!json.contains(name)) json[name] = value;
  return json;
}

void write_refused(const Scan& scan, AtomicFile& rejects) {
  std::map<std::string, Sentences> by_file;
  for (const auto& problem : scan.input.refused) {
    const Refused refused = parted(problem, scan.input.path);
    by_file[refused.file][refused.line].push_back(refused.sentence);
  }
  for (const auto& [file, sentences] : by_file) {
    const auto lines = read_lines(file, sentences);
    for (const auto& [line, of_line] : sentences) {
      const auto text = lines.find(line);
      const Json row = text == lines.end() ? Json() : Json(text->second);
      for (const auto& sentence : of_line)
        write_line(rejects, {{"row", row}, {"file", file}, {"line", line}, {"reason", sentence}});
    }
  }
}

// Why a row is left out, or nothing.
std::optional<std::string> reason_of(const std::vector<const Finding*>& findings) {
  for (const Finding* finding : findings)
    if (text_of(finding->kind).is_rejected) return finding->sentence;
  return std::nullopt;
}

}  // namespace

std::string rejects_path(const std::string& output) {
  const fs::path path(output);
  const std::string name = path.extension() == ".jsonl" ? path.stem().string() : path.filename().string();
  return (path.parent_path() / (name + "-rejects.jsonl")).string();
}

void check_fix_output(const std::string& output) {
  for (const auto& path : {output, rejects_path(output)})
    if (fs::exists(path)) user_error("--fix: {} is there already; nothing is overwritten.", path);
}

Fixed write_fixed(const Scan& scan, const std::string& output) {
  Fixed fixed;
  AtomicFile clean(output), rejects(rejects_path(output));
  const fs::path folder = fs::absolute(output).lexically_normal().parent_path();
  const data::Source& source = *scan.input.source;
  // Where no row has a task, the config is to name it.
  const bool some_have_tasks = scan.tasks.size() > 1 || !scan.tasks.contains(kNoTask);
  auto finding = scan.findings.begin();
  for (int64_t i = 0; i < source.size(); ++i) {
    std::vector<const Finding*> own;
    for (; finding != scan.findings.end() && finding->row == i; ++finding) own.push_back(&*finding);
    std::optional<std::string> reason = reason_of(own);
    std::optional<data::Row> row;
    try {
      row = source.row(i);
    } catch (const UserError& e) {
      if (!reason) reason = e.what();
    }
    if (row && !row->audios.empty() && !row->audio().member.empty())
      user_error("--fix: {} is in a tar, which the clean manifest cannot name: unpack it first.", row->audio().shown());
    const std::string label = row ? cleaned_label(*row) : "";
    if (!reason && row && row->task == kNoTask && some_have_tasks) reason = "the row names no task, as others do";
    if (!reason && label.empty()) reason = "nothing is left of the label without unseen characters";
    if (reason) {
      const int64_t line = row ? row->line : 0;
      const std::string place = source.place(i);
      write_line(rejects, {{"row", row ? json_of(*row, folder, row->seconds, label) : Json()},
                           {"file", place.substr(0, place.rfind(':'))},
                           {"line", line},
                           {"reason", *reason}});
      ++fixed.rejected;
      continue;
    }
    const auto measured = scan.measured.find(i);
    write_line(clean, json_of(*row, folder, measured == scan.measured.end() ? row->seconds : measured->second, label));
    ++fixed.kept;
    fixed.mended += measured != scan.measured.end() || label != fmt::format("{}", fmt::join(row->references, "\t"));
  }
  write_refused(scan, rejects);
  fixed.rejected += scan.input.refused_count;
  rejects.commit();
  clean.commit();
  return fixed;
}

}  // namespace usam::inspect
