// Cuts of lhotse: {id, start, duration, channel, recording: {sources: [{type, channels, source}], ...}, supervisions:
// [{start, duration, text, language, speaker}], type: MonoCut}.
#include <fmt/format.h>

#include <algorithm>

#include "data/dialects.h"

namespace usam::data {
namespace {

struct Supervision {
  double start;
  std::string text;
};

// The cut's text: its supervisions' in the order of time.
std::string text_of(RowFields& cut, const Json& supervisions) {
  std::vector<Supervision> said;
  for (const Json& one : supervisions) {
    if (!one.is_object()) return cut.refuse(fmt::format("a supervision must be a map, found {}", kind_of(one))), "";
    RowFields fields(one, "supervisions.");
    const Json& start = fields.value("start");
    const std::string text = fields.optional_text("text");
    if (fields.problem()) return cut.refuse(*fields.problem()), "";
    if (!text.empty()) said.push_back({start.is_number() ? start.get<double>() : 0, text});
  }
  std::ranges::stable_sort(said, {}, &Supervision::start);
  std::string text;
  for (const Supervision& one : said) text += (text.empty() ? "" : " ") + one.text;
  if (text.empty()) cut.refuse("no supervision of the cut holds text");
  return text;
}

void read_recording(RowFields& cut, ManifestLine& line, int64_t channel) {
  const Json& json = cut.map("recording");
  if (json.is_null()) return;
  RowFields recording(json, "recording.");
  const Json& sources = recording.list("sources");
  const double whole = recording.seconds("duration");
  const Json& transforms = recording.value("transforms");
  if (!transforms.is_null() && !transforms.empty())
    recording.refuse("'recording.transforms' are not applied by usam; store the audio as it is to be heard");
  if (!recording.problem() && (sources.size() != 1 || !sources.front().is_object()))
    recording.refuse(fmt::format("the recording has {} sources; usam takes one of one file", sources.size()));
  if (recording.problem()) return cut.refuse(*recording.problem());
  RowFields source(sources.front(), "recording.sources.");
  const std::string type = source.text("type");
  line.wavs = {source.text("source")};
  const Json& channels = source.value("channels");
  if (!source.problem() && type != "file")
    source.refuse(fmt::format("a recording's source of type '{}' is not known; usam takes 'file'", type));
  if (channels.is_array() && channels.size() > 1)
    source.refuse(fmt::format(
        "the cut takes channel {} of {}; usam hears the mean of a file's channels: store the channel as a file",
        channel, channels.size()));
  if (source.problem()) return cut.refuse(*source.problem());
  // A cut of the whole recording is no part: its file is read to the end.
  const bool is_whole = line.offset <= 0 && line.seconds >= 0 && whole >= 0 && line.seconds >= whole - 0.001;
  if (is_whole) line.offset = -1;
}

}  // namespace

std::optional<std::string> read_lhotse(const Json& row, ManifestLine& line, bool with_extra) {
  RowFields fields(row);
  const std::string type = fields.optional_text("type");
  if (!type.empty() && type != "MonoCut" && type != "Cut")
    return fmt::format("a cut of type '{}' is not known; usam takes MonoCut: store mixed and padded cuts as audio",
                       type);
  if (row.contains("tracks"))
    return "a cut of type 'MixedCut' is not known; usam takes MonoCut: store mixed and padded cuts as audio";
  line.key = fields.text("id");
  line.offset = std::max(fields.seconds("start"), 0.0);
  line.seconds = fields.seconds("duration");
  const Json& channel = fields.value("channel");
  const Json& supervisions = fields.list("supervisions");
  if (fields.problem()) return fields.problem();
  read_recording(fields, line, channel.is_number_integer() ? channel.get<int64_t>() : 0);
  line.label = text_of(fields, supervisions);
  if (const auto wrong = fields.problem()) return wrong;
  if (const auto wrong = problem_of_text("text", line.label)) return wrong;
  const Json& custom = fields.value("custom");
  if (custom.is_object() && custom.contains("task") && custom.at("task").is_string()) line.task = custom.at("task");
  if (!with_extra) return std::nullopt;
  Json extra = custom.is_object() ? custom : Json::object();
  for (const auto& [from, to] : {std::pair("language", "lang"), {"speaker", "spk"}, {"gender", "gender"}}) {
    if (!supervisions.empty() && supervisions.front().contains(from)) extra[to] = supervisions.front().at(from);
  }
  if (!extra.empty()) line.extra = to_line(extra);
  return std::nullopt;
}

}  // namespace usam::data
