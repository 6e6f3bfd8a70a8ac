#include "data/manifest.h"

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

namespace usam::data {

std::shared_ptr<Manifest> Manifest::open(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                         ManifestProblems& problems) {
  const std::string& path = config.path.value;
  std::shared_ptr<RowText> text;
  try {
    text = open_row_text(path);
    if (path.ends_with(".gz"))
      text =
          derive_text({path, {path}, "gz 1", options.index_dir, [&](const TextSink& sink) { unpack_gz(path, sink); }});
  } catch (const UserError& problem) {
    problems.add(problem.what());
    return std::shared_ptr<Manifest>(new Manifest(config, options.source));
  }
  return open_text(config, std::move(text), {path}, options, seen, problems);
}

std::shared_ptr<Manifest> Manifest::open_text(const ManifestConfig& config, std::shared_ptr<RowText> text,
                                              const std::vector<std::string>& files, const ManifestOptions& options,
                                              SeenKeys& seen, ManifestProblems& problems) {
  std::shared_ptr<Manifest> manifest(new Manifest(config, options.source));
  if (!text) return manifest;  // what is wrong was said
  manifest->text_ = std::move(text);
  if (const auto wrong = wrong_encoding(manifest->text_->read(0, 2)); !wrong.empty()) {
    problems.add(fmt::format("{}: {}", config.path.value, wrong));
    return manifest;
  }
  manifest->format_ = detect_format(*manifest->text_, find_dialect(config.format));
  IndexRequest request;
  request.files = files;
  request.reader = fmt::format("rows 1 {} {}", manifest->format_.dialect->name,
                               manifest->format_.layout == RowLayout::kList ? "list 2" : "lines");
  request.build = [&](IndexBuilder& builder) { read_rows(*manifest->text_, manifest->format_, builder); };
  manifest->open_rows(std::move(request), options, seen, problems);
  seen.add(manifest);
  return manifest;
}

std::shared_ptr<Manifest> Manifest::open(const std::string& path, const ManifestOptions& options, SeenKeys& seen,
                                         ManifestProblems& problems) {
  ManifestConfig config;
  config.path.value = path;
  return open(config, options, seen, problems);
}

std::shared_ptr<Manifest> Manifest::open(const std::string& path, const ManifestOptions& options) {
  SeenKeys seen;
  ManifestProblems problems;
  auto manifest = open(path, options, seen, problems);
  problems.raise();
  return manifest;
}

Row Manifest::row_at(const Index& index, int64_t number) const {
  const auto changed = [&](const std::string& how) {
    user_error("{}: the manifest changed while it was in use: {}", index.place(number), how);
  };
  const FileSpan span = index.text(number);
  std::string text;
  try {
    text = text_->read(span.begin, span.bytes);
  } catch (const UserError& reason) {
    user_error("{}: the manifest cannot be read: {}", index.place(number), reason.what());
  }
  if (std::ssize(text) != span.bytes) changed("it ends before this row");
  if (text_check(text) != index.check(number)) changed("other text stands where this row stood");
  ManifestLine line;
  if (const auto problem = format_.dialect->parse(text, line, true)) changed(*problem);
  return row_of(std::move(line), index, number);
}

RowAudio probe_row(const Row& row) {
  const AudioRef& audio = row.audio();
  RowAudio heard{audio::probe(audio)};
  const double begin = audio.is_part ? audio.offset : 0;
  heard.seconds = heard.info.seconds - begin;
  if (heard.seconds <= 0)
    user_error("'offset' is {} s, but {} holds {:.2f} s", begin, audio.shown(), heard.info.seconds);
  if (audio.is_part && row.seconds > 0) heard.seconds = std::min(heard.seconds, row.seconds);
  return heard;
}

std::string wrong_length(const Row& row, double seconds) {
  const AudioRef& audio = row.audio();
  const bool is_right = !audio::is_misdeclared(row.seconds, std::abs(row.seconds - seconds));
  if (row.seconds < 0 || (row.seconds > 0 && is_right)) return "";
  if (audio.is_part && row.seconds > seconds)
    return fmt::format("'offset' {} s and 'dur' {} s reach beyond the end of {}, which holds {:.2f} s", audio.offset,
                       row.seconds, audio.shown(), audio.offset + seconds);
  return fmt::format("'dur' is {} s, but {} holds {:.2f} s", row.seconds, audio.shown(), seconds);
}

AudioProblems check_audio(const Source& source, int64_t at_most) {
  AudioProblems problems;
  for (int64_t i = 0; i < source.size(); ++i) {
    const Row row = source.row(i);
    std::string reason;
    bool is_usable = row.seconds != 0;
    try {
      if (row.audios.size() > 1) user_error("the row has {} recordings, and a sample is one", row.audios.size());
      reason = wrong_length(row, probe_row(row).seconds);
    } catch (const UserError& e) {
      reason = e.what();
      is_usable = false;
    }
    if (reason.empty()) continue;
    if (!is_usable) problems.unusable.push_back(i);
    if (++problems.count <= at_most)
      problems.first.push_back(fmt::format("{}: {}: {}", source.place(i), row.key, reason));
  }
  return problems;
}

}  // namespace usam::data
