#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/audio/decode.h"
#include "data/row_reader.h"
#include "data/sources/indexed.h"

namespace usam::data {

// Rows of text, each a JSON object in one of the dialects (data/dialects.h): one a line (blank lines ignored, CRLF and
// a UTF-8 byte order mark accepted), or the elements of a list; compressed where the name ends in .gz. Rows are read
// again when they are asked for; the index keeps where they stand.
class Manifest final : public IndexedSource {
 public:
  // Opens and checks a manifest. Every row that cannot be used is added to `problems` as `file:line: sentence`, and so
  // is a file that cannot be read or holds no row. A row without a length gets its file's from the header, from
  // `offset` on; where that cannot be read it counts as 0 s, and decoding it will say why. A length of 0 is accepted
  // here and refused when the sample is read, so that one such row falls under data.on_error. Adds itself to `seen`.
  static std::shared_ptr<Manifest> open(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                        ManifestProblems& problems);
  static std::shared_ptr<Manifest> open(const std::string& path, const ManifestOptions& options, SeenKeys& seen,
                                        ManifestProblems& problems);
  // The same for one manifest by itself; throws UserError with all its problems.
  static std::shared_ptr<Manifest> open(const std::string& path, const ManifestOptions& options = {});
  // Rows that were joined from other files: their text, which is of `files`, in a dialect. Without a text (what is
  // wrong was said) it has no rows.
  static std::shared_ptr<Manifest> open_text(const ManifestConfig& config, std::shared_ptr<RowText> text,
                                             const std::vector<std::string>& files, const ManifestOptions& options,
                                             SeenKeys& seen, ManifestProblems& problems);

 protected:
  Row row_at(const Index& index, int64_t row) const override;

 private:
  using IndexedSource::IndexedSource;
  std::shared_ptr<RowText> text_;
  RowFormat format_;
};

// What the header of a row's recording says.
struct RowAudio {
  audio::Info info;
  double seconds = 0;  // that the row holds: from its offset on, and of a part no more than it asks for
};
// UserError for a recording that cannot be opened, or that ends before the row's offset.
RowAudio probe_row(const Row& row);
// What is wrong with the length that the manifest gives a row that holds `seconds` (0, or more than 0.1 s and 5 %
// apart), as a sentence, or nothing.
std::string wrong_length(const Row& row, double seconds);

struct AudioProblems {
  std::vector<std::string> first;  // `file:line: key: reason`
  int64_t count = 0;               // of all
  std::vector<int64_t> unusable;   // rows that fall under data.on_error; one of a wrong length can be used
};
// What is wrong with the audio of a source, a problem a row: every header is opened, and the lengths are compared.
AudioProblems check_audio(const Source& source, int64_t at_most = 20);

}  // namespace usam::data
