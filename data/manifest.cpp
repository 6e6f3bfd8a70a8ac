#include "data/manifest.h"

#include <cmath>

#include "data/audio/decode.h"
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
      else if (row.seconds >= 0 && audio::is_misdeclared(row.seconds, apart))
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
