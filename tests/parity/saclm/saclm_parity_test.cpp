// Every case that the reference implementation (peer/saclm.py) wrote: outputs and gradients to 1e-5.
// B samples, T frames, W text tokens, D width, R rectified tokens.
#include "losses/saclm.h"
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "tests/support.h"

namespace usam::losses {
namespace {

SaclmConfig config_of(const Json& options) {
  SaclmConfig c;
  c.score_hidden = 20;
  c.slots = 5;
  c.slot_hidden = 12;
  if (options.value("text_score", "") == "pooled") c.text_score = TextScore::kPooled;
  if (options.value("decision", "") == "threshold") c.decision = Decision::kThreshold;
  if (options.value("regularizer", "") == "l1") c.regularizer = Regularizer::kL1;
  c.rho = options.value("rho", c.rho);
  c.distill = options.value("distill", c.distill);
  return c;
}

class Case {
 public:
  Case(const io::SafetensorsFile& file, std::string name) : file_(file), name_(std::move(name)) {}
  torch::Tensor get(const std::string& key) const { return file_.get(name_ + "/" + key).clone(); }
  // Tensors key.0, key.1, ... padded with a value that no result may depend on, and their lengths.
  std::pair<torch::Tensor, torch::Tensor> padded(const std::string& key, int64_t size) const {
    const double garbage = 7;
    std::vector<torch::Tensor> rows;
    std::vector<int64_t> lengths;
    int64_t longest = 0;
    for (int64_t i = 0; i < size; ++i) {
      rows.push_back(get(key + "." + std::to_string(i)));
      lengths.push_back(rows.back().size(0));
      longest = std::max(longest, lengths.back());
    }
    for (auto& row : rows) row = torch::constant_pad_nd(row, {0, 0, 0, longest + 2 - row.size(0)}, garbage);
    return {torch::stack(rows), torch::tensor(lengths)};
  }

 private:
  const io::SafetensorsFile& file_;
  std::string name_;
};

void expect_close(const torch::Tensor& ours, const torch::Tensor& theirs, const std::string& what) {
  ASSERT_EQ(ours.sizes(), theirs.sizes()) << what;
  const double scale = std::max(1.0, theirs.abs().max().item<double>());
  EXPECT_LE((ours - theirs).abs().max().item<double>(), 1e-5 * scale) << what;
}

torch::Tensor total(const SaclmOutput& out, const Counts& counts) {
  auto sum = torch::zeros({});
  for (const auto& term : out.terms) sum = sum + term.weight * term.sum / std::max(1.0, counts.at(term.count));
  return sum;
}

void check_case(const Case& c, const Json& meta) {
  const auto B = static_cast<int64_t>(meta["audio_lengths"].size());
  auto [audio_BTD, lengths_B] = c.padded("audio", B);
  const auto [text_BWD, words_B] = c.padded("text", B);
  const auto words_BW = length_mask(words_B, text_BWD.size(1));
  audio_BTD.requires_grad_();
  const auto same_BB = c.get("same_text").to(torch::kBool);
  Saclm saclm(config_of(meta), audio_BTD.size(2));
  {
    const torch::NoGradGuard no_grad;
    for (auto& p : saclm->named_parameters()) p.value().copy_(c.get("param/" + p.key()));
  }
  const auto out = saclm->forward({audio_BTD, lengths_B, 1}, {text_BWD, words_BW}, same_BB);
  const auto counts = saclm_counts(words_B, same_BB);
  EXPECT_EQ(counts.at("hinge"), meta["hinge_count"].get<double>());
  EXPECT_EQ(counts.at("samples"), static_cast<double>(B));
  const auto loss = total(out, counts);
  loss.backward();

  expect_close(loss, c.get("loss"), "loss");
  expect_close(out.terms[0].sum, c.get("hinge_sum"), "hinge");
  expect_close(out.terms[1].sum, c.get("regularizer_sum"), "regularizer");
  expect_close(out.terms[2].sum, c.get("distill_sum"), "distill");
  expect_close(out.similarity_NN, c.get("similarity"), "similarity");
  for (int64_t i = 0; i < B; ++i) {
    const auto index = std::to_string(i);
    const auto T = lengths_B[i].item<int64_t>();
    expect_close(out.selection.scores_BT[i].narrow(0, 0, T), c.get("scores." + index), "scores");
    expect_close(out.selection.kept_BT[i].narrow(0, 0, T).to(torch::kFloat), c.get("hard." + index), "kept");
    EXPECT_FALSE(out.selection.kept_BT[i].narrow(0, T, audio_BTD.size(1) - T).any().item<bool>());
    expect_close(out.rectified_BRD[i].index({out.present_BR[i]}), c.get("rectified." + index), "rectified");
    expect_close(audio_BTD.grad()[i].narrow(0, 0, T), c.get("audio_grad." + index), "gradient of audio");
    EXPECT_EQ(audio_BTD.grad()[i].narrow(0, T, audio_BTD.size(1) - T).abs().sum().item<double>(), 0)
        << "gradient at padding";
  }
  for (auto& p : saclm->named_parameters())
    expect_close(p.value().grad(), c.get("grad/" + p.key()), "gradient of " + p.key());
}

TEST(SaclmParity, EveryCaseOfTheReference) {
  USAM_NEEDS_ORACLES();
  const auto folder = usam::test::oracle_folder();
  const io::SafetensorsFile file((folder / "saclm.safetensors").string());
  const Json cases = Json::parse(std::ifstream(folder / "saclm.json"));
  ASSERT_EQ(cases.size(), 10u);
  for (const auto& [name, meta] : cases.items()) {
    SCOPED_TRACE(name);
    check_case(Case(file, name), meta);
  }
}

}  // namespace
}  // namespace usam::losses
