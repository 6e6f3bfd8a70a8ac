// Configs and Hugging Face folders: what is read from them, what is refused, and in which words.
#include "src/base/config_yaml.h"
#include "src/io/safetensors.h"
#include "tests/unit/encoders/tiny.h"

namespace usam {
namespace {

using namespace test;

const char* kWhisperJson = R"({"model_type": "whisper", "num_mel_bins": 80, "d_model": 16, "encoder_layers": 2,
  "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "max_source_positions": 1500, "activation_function": "gelu"})";
const char* kCedJson = R"({"model_type": "ced", "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 4.0,
  "qkv_bias": true, "target_length": 1012, "n_mels": 64, "f_max": null})";
const char* kMertJson = R"({"model_type": "mert_model", "hidden_size": 16, "num_hidden_layers": 2,
  "num_attention_heads": 2, "intermediate_size": 64, "conv_dim": [8, 8], "conv_kernel": [10, 3], "conv_stride": [5, 2],
  "feat_extract_norm": "group", "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
  "feature_extractor_cqt": false, "deepnorm": false, "attention_relax": -1.0})";

// A folder with one file, and a config that points to it.
template <class Config>
struct Folder : TemporaryFolder {
  explicit Folder(const std::string& json) {
    if (!json.empty()) write("config.json", json);
    config.source.path.value = path().string();
  }
  std::string file(const std::string& name = "config.json") const { return (path() / name).string(); }
  Config config;
};

TEST(EncoderFolder, WithoutConfigJson) {
  Folder<WhisperConfig> folder("");
  EXPECT_EQ(message_of([&] { make_whisper(folder.config, {}); }),
            folder.path().string() + ": there is no config.json in the folder");
}

TEST(EncoderFolder, OfAnotherModel) {
  Folder<WhisperConfig> whisper(kCedJson);
  EXPECT_EQ(message_of([&] { make_whisper(whisper.config, {}); }),
            whisper.file() +
                ": model_type is 'ced', but this encoder reads 'whisper'; give another folder or another "
                "'type'");
  Folder<CedConfig> ced(kMertJson);
  EXPECT_EQ(message_of([&] { make_ced(ced.config, {}); }),
            ced.file() +
                ": model_type is 'mert_model', but this encoder reads 'ced'; give another folder or another "
                "'type'");
  Folder<MertConfig> mert(R"({"hidden_size": 3})");
  EXPECT_EQ(message_of([&] { make_mert(mert.config, {}); }),
            mert.file() +
                ": model_type is '', but this encoder reads 'mert_model' or 'hubert' or 'wav2vec2'; give another "
                "folder or another 'type'");
}

TEST(EncoderFolder, ContradictedSizesAreListedTogether) {
  Folder<WhisperConfig> whisper(kWhisperJson);
  whisper.config.shape.layers = 4;
  whisper.config.shape.width = 16;
  whisper.config.mels = 128;
  EXPECT_EQ(message_of([&] { make_whisper(whisper.config, {}); }),
            "'mels: 128' contradicts " + whisper.file() + ", where num_mel_bins is 80; remove the key\n" +
                "'layers: 4' contradicts " + whisper.file() + ", where encoder_layers is 2; remove the key");
  Folder<CedConfig> ced(kCedJson);
  ced.config.shape.ffn = 20;
  EXPECT_EQ(message_of([&] { make_ced(ced.config, {}); }),
            "'ffn: 20' contradicts " + ced.file() + ", where embed_dim x mlp_ratio is 64; remove the key");
  Folder<MertConfig> mert(kMertJson);
  mert.write("preprocessor_config.json", R"({"sampling_rate": 24000, "do_normalize": false})");
  mert.config.conv_width = 16;
  EXPECT_EQ(message_of([&] { make_mert(mert.config, {}); }),
            "'conv_width: 16' contradicts " + mert.file() + ", where conv_dim holds 8; remove the key");
  mert.config.conv_width = 8;
  mert.config.normalize = true;
  EXPECT_EQ(message_of([&] { make_mert(mert.config, {}); }), "'normalize: true' contradicts " +
                                                                 mert.file("preprocessor_config.json") +
                                                                 ", where do_normalize is false; remove the key");
}

TEST(EncoderFolder, KeysThatAreMissingOrOfAnotherModelKind) {
  Folder<WhisperConfig> whisper(R"({"model_type": "whisper", "num_mel_bins": "80", "d_model": 15,
    "encoder_layers": 2, "encoder_attention_heads": 2, "activation_function": "relu"})");
  EXPECT_EQ(message_of([&] { make_whisper(whisper.config, {}); }),
            whisper.file() + ": num_mel_bins is not a whole number\n" + whisper.file() +
                ": a width of 15 cannot be split over 2 heads\n" + whisper.file() +
                ": the key encoder_ffn_dim is missing\n" + whisper.file() +
                ": activation_function is \"relu\", but usam's model has \"gelu\" only");
  Folder<CedConfig> ced(R"({"model_type": "ced", "embed_dim": 16, "depth": 2, "num_heads": 2, "n_mels": 128})");
  EXPECT_EQ(message_of([&] { make_ced(ced.config, {}); }),
            ced.file() + ": n_mels is 128, but usam's model has 64 only");
  std::string json = kMertJson;
  json.replace(json.find("\"deepnorm\": false"), 17, "\"deepnorm\": true");
  Folder<MertConfig> mert(json);
  EXPECT_EQ(message_of([&] { make_mert(mert.config, {}); }),
            mert.file() + ": deepnorm is true, but usam's model has false only");
  Folder<MertConfig> bare(kMertJson);
  EXPECT_EQ(message_of([&] { make_mert(bare.config, {}); }),
            bare.path().string() + ": there is no preprocessor_config.json in the folder");
}

TEST(EncoderFolder, WhatIsNotBuiltIsRefusedByName) {
  const std::pair<const char*, const char*> refused[] = {
      {R"("feature_extractor_cqt": true)", "feature_extractor_cqt is true, but usam's model has false only"},
      {R"("deepnorm": true)", "deepnorm is true, but usam's model has false only"},
      {R"("add_adapter": true)", "add_adapter is true, but usam's model has false only"},
      {R"("adapter_attn_dim": 16)", "adapter_attn_dim is 16, but usam's model has none only"},
      {R"("hidden_act": "relu")", "hidden_act is \"relu\", but usam's model has \"gelu\" only"},
      {R"("feat_extract_norm": "batch")",
       "feat_extract_norm is 'batch', but usam's model knows 'group' and 'layer' only"},
      {R"("num_conv_pos_embedding_groups": 3)",
       "a width of 16 cannot be split over 3 groups of the position convolution"},
      {R"("num_attention_heads": 3)", "a width of 16 cannot be split over 3 heads"},
      {R"("conv_stride": [5])", "conv_dim, conv_kernel and conv_stride differ in length"},
      {R"("conv_stride": [5000, 5000])", "conv_stride leaves less than one frame in 1000000 samples"},
      {R"("intermediate_size": 4294967296)", "intermediate_size is 4294967296, but must be at most 1073741824"},
  };
  for (const auto& [change, problem] : refused) {
    Json json = Json::parse(kMertJson);
    json.merge_patch(Json::parse("{" + std::string(change) + "}"));
    Folder<MertConfig> folder(json.dump());
    EXPECT_EQ(message_of([&] { make_mert(folder.config, {}); }), folder.file() + ": " + problem);
  }
  // MERT 330M: the scores of a row are shifted by a constant, which the softmax does not see.
  Json json = Json::parse(kMertJson);
  json["attention_relax"] = 32.0;
  Folder<MertConfig> folder(json.dump());
  folder.write("preprocessor_config.json", R"({"sampling_rate": 24000})");
  EXPECT_NO_THROW(mert_sizes(folder.config));
}

TEST(EncoderFolder, SizesBeyondTheWeightsAreRefusedBeforeTheyTakeMemory) {
  const auto original = tiny_whisper();
  Json json = Json::parse(kWhisperJson);
  json["d_model"] = 1 << 20;
  json["encoder_layers"] = 1 << 20;
  Folder<WhisperConfig> folder(json.dump());
  io::write_safetensors(folder.file("model.safetensors"), {{"encoder.conv1.bias", torch::zeros(16)}});
  EXPECT_EQ(
      message_of([&] { make_whisper(folder.config, {}); }),
      folder.path().string() + ": config.json describes a model of 4.6e+18 values or more, but the weights hold 16");
}

TEST(EncoderFolder, LyingSizesOfCed) {
  Json json = Json::parse(kCedJson);
  json["mlp_ratio"] = -2;
  json["target_length"] = 10;
  Folder<CedConfig> folder(json.dump());
  EXPECT_EQ(message_of([&] { make_ced(folder.config, {}); }),
            folder.file() + ": mlp_ratio must be between 0 and 1000\n" + folder.file() +
                ": target_length is 10, but must be at least 16");
}

TEST(EncoderFolder, TheFrontEndMayStandInProcessorConfig) {
  Folder<MertConfig> folder(kMertJson);
  const auto path = folder.write("processor_config.json",
                                 R"({"feature_extractor": {"sampling_rate": 16000, "do_normalize": false}})");
  EXPECT_EQ(mert_sizes(folder.config).sample_rate, 16000);
  EXPECT_FALSE(mert_sizes(folder.config).normalize);
  folder.write("processor_config.json", "{}");
  EXPECT_EQ(message_of([&] { mert_sizes(folder.config); }), path + ": the file has no map 'feature_extractor'");
}

TEST(EncoderFolder, FrontEndOfAnotherWhisper) {
  Folder<WhisperConfig> folder(kWhisperJson);
  folder.write("preprocessor_config.json", R"({"feature_size": 128, "sampling_rate": 16000})");
  EXPECT_EQ(message_of([&] { make_whisper(folder.config, {}); }),
            folder.file("preprocessor_config.json") + ": feature_size is 128, but usam's model has 80 only");
  folder.write("preprocessor_config.json", R"({"chunk_length": 15})");
  EXPECT_EQ(message_of([&] { make_whisper(folder.config, {}); }),
            folder.file("preprocessor_config.json") + ": chunk_length is 15, but usam's model has 30 only");
}

TEST(EncoderFolder, FrontEndOfAnotherCed) {
  Folder<CedConfig> folder(kCedJson);
  folder.write("preprocessor_config.json", R"({"feature_size": 64, "sampling_rate": 32000, "f_max": 4000})");
  EXPECT_EQ(message_of([&] { make_ced(folder.config, {}); }),
            folder.file("preprocessor_config.json") + ": sampling_rate is 32000, but usam's model has 16000 only\n" +
                folder.file("preprocessor_config.json") + ": f_max is 4000, but usam's model has 8000 only");
}

TEST(EncoderFolder, MertsWaveIsNormalisedAsTheFolderSays) {  // defects 6 and 21
  for (const bool normalize : {true, false}) {
    Folder<MertConfig> folder(kMertJson);
    folder.write("preprocessor_config.json",
                 fmt::format(R"({{"sampling_rate": 24000, "do_normalize": {}}})", normalize));
    const auto sizes = mert_sizes(folder.config);
    EXPECT_EQ(MertEncoder(sizes).front_end(), FrontEndSpec(WaveSpec{24000, normalize}));
  }
}

// The tensors of an encoder under a prefix, without one of them.
io::NamedTensors tensors_of(torch::nn::Module& module, const std::string& prefix, const std::string& without) {
  io::NamedTensors tensors;
  for (const auto& all : {module.named_parameters(), module.named_buffers()})
    for (const auto& entry : all)
      if (entry.key() != without) tensors.emplace_back(prefix + entry.key(), entry.value().detach());
  return tensors;
}

TEST(EncoderFolder, MissingAndUnexpectedTensors) {
  Folder<WhisperConfig> folder(kWhisperJson);
  auto tensors = tensors_of(*tiny_whisper(), "model.encoder.", "layers.1.fc2.bias");
  tensors.emplace_back("model.encoder.layers.2.fc2.bias", torch::zeros(16));
  tensors.emplace_back("model.decoder.embed_tokens.weight", torch::zeros({3, 16}));  // left out on purpose
  io::write_safetensors(folder.file("model.safetensors"), tensors);
  EXPECT_EQ(message_of([&] { make_whisper(folder.config, {}); }),
            folder.path().string() +
                ": the weights do not fit the model, in 2 tensors (36 fit):\n"
                "  unexpected: model.encoder.layers.2.fc2.bias (as layers.2.fc2.bias)\n"
                "  missing: layers.1.fc2.bias [16] Float");
}

TEST(EncoderFolder, WhisperReadsBothLayouts) {
  for (const std::string prefix : {"model.encoder.", "encoder."}) {
    const auto original = tiny_whisper();
    Folder<WhisperConfig> folder(kWhisperJson);
    io::write_safetensors(folder.file("model.safetensors"), tensors_of(*original, prefix, ""));
    expect_same_values(*original, *make_whisper(folder.config, {}), true);
  }
}

TEST(EncoderFolder, ModelsWithAHeadHoldTheEncoderUnderAPrefix) {
  for (const std::string prefix : {"wav2vec2.", "hubert."}) {
    Folder<MertConfig> folder(kMertJson);
    folder.write("preprocessor_config.json", R"({"sampling_rate": 16000})");
    MertEncoder original(mert_sizes(folder.config));
    auto tensors = tensors_of(original, prefix, "");
    tensors.emplace_back("lm_head.weight", torch::zeros({3, 16}));
    tensors.emplace_back("quantizer.codevectors", torch::zeros({1, 3, 2}));
    tensors.emplace_back(prefix + "masked_spec_embed", torch::zeros(16));
    io::write_safetensors(folder.file("model.safetensors"), tensors);
    expect_same_values(original, *make_mert(folder.config, {}), true);
    tensors.emplace_back(prefix + "adapter.weight", torch::zeros(1));  // of the encoder, and unknown
    io::write_safetensors(folder.file("model.safetensors"), tensors);
    EXPECT_NE(message_of([&] {
                make_mert(folder.config, {});
              }).find("unexpected: " + prefix + "adapter.weight (as adapter.weight)"),
              std::string::npos);
  }
}

TEST(EncoderFolder, NanIsRefusedByName) {
  Folder<WhisperConfig> folder(kWhisperJson);
  auto tensors = tensors_of(*tiny_whisper(), "encoder.", "");
  for (auto& [name, tensor] : tensors)
    if (name == "encoder.layers.1.fc1.weight") tensor[2][3] = NAN;
  io::write_safetensors(folder.file("model.safetensors"), tensors);
  EXPECT_EQ(message_of([&] { make_whisper(folder.config, {}); }),
            folder.path().string() + ": NaN or infinity in the weights: encoder.layers.1.fc1.weight");
}

TEST(EncoderFolder, CedSplitsThePackedProjection) {
  const auto original = tiny_ced();
  io::NamedTensors tensors;
  for (const auto& [name, tensor] : tensors_of(*original, "encoder.", ""))
    if (name.find("_proj.") == std::string::npos) tensors.emplace_back(name, tensor);
  auto parameters = original->named_parameters();
  for (const std::string block : {"blocks.0.attn.", "blocks.1.attn."})
    for (const std::string kind : {"weight", "bias"}) {
      tensors.emplace_back("encoder." + block + "proj." + kind, parameters[block + "out_proj." + kind].detach());
      tensors.emplace_back("encoder." + block + "qkv." + kind,
                           torch::cat({parameters[block + "q_proj." + kind], parameters[block + "k_proj." + kind],
                                       parameters[block + "v_proj." + kind]})
                               .detach());
    }
  tensors.emplace_back("outputlayer.0.bias", torch::zeros(16));
  tensors.emplace_back("encoder.init_bn.num_batches_tracked", torch::zeros({}, torch::kInt64));
  Folder<CedConfig> folder(kCedJson);
  io::write_safetensors(folder.file("model.safetensors"), tensors);
  expect_same_values(*original, *make_ced(folder.config, {}), true);
}

TEST(EncoderFolder, MertFoldsItsWeightNormUnderBothNamings) {
  const std::pair<std::string, std::string> namings[] = {
      {".weight_v", ".weight_g"}, {".parametrizations.weight.original1", ".parametrizations.weight.original0"}};
  for (const auto& [direction, gain] : namings) {
    Folder<MertConfig> folder(kMertJson);
    folder.write("preprocessor_config.json", R"({"sampling_rate": 24000})");
    const std::string conv = "encoder.pos_conv_embed.conv";
    MertEncoder original(mert_sizes(folder.config));
    auto tensors = tensors_of(original, "", conv + ".weight");
    const auto v = noise({16, 8, 4}, 1), g = noise({1, 1, 4}, 2);
    tensors.emplace_back(conv + direction, v);
    tensors.emplace_back("masked_spec_embed", torch::zeros(16));
    io::write_safetensors(folder.file("model.safetensors"), tensors);
    EXPECT_EQ(message_of([&] { make_mert(folder.config, {}); }),
              fmt::format("{}: there is no tensor '{}{}' in the weights", folder.path().string(), conv, gain));
    tensors.emplace_back(conv + gain, g);
    io::write_safetensors(folder.file("model.safetensors"), tensors);
    const auto folded = make_mert(folder.config, {})->named_parameters()[conv + ".weight"];
    for (int64_t k = 0; k < 4; ++k) {
      const auto expected = v.select(2, k) / v.select(2, k).norm() * g[0][0][k];
      EXPECT_TRUE(torch::allclose(folded.select(2, k), expected, 1e-5, 1e-6));
    }
  }
}

// --- configs -----------------------------------------------------------------------------------------------------

struct Holder {
  Part encoder;
};
void describe(Fields& f, Holder& h) {
  f.part("encoder", h.encoder, encoder_registry().choices(), "an encoder");
}

std::string problems(const std::string& yaml) {
  TemporaryFolder folder;
  const auto file = folder.write("c.yaml", "encoder: {" + yaml + "}\n");
  Holder holder;
  auto message = message_of([&] { load_config(file, {.overrides = {}, .offline = true}, holder); });
  for (size_t at; (at = message.find(folder.path().string() + "/")) != std::string::npos;)
    message.erase(at, folder.path().string().size() + 1);
  return message;
}

TEST(EncoderConfig, BadValues) {
  EXPECT_EQ(problems("type: whisper, path: w, pad: 15s"),
            "c.yaml:1:40: 'encoder.pad' must be one of clip or 30s, got '15s'");
  EXPECT_EQ(problems("type: ced, path: c, bands: merge"),
            "c.yaml:1:38: 'encoder.bands' must be one of interleave or fold, got 'merge'");
  EXPECT_EQ(problems("type: whisper"),
            "c.yaml:1:10: an encoder needs 'path' (a Hugging Face folder) or 'init: random' with sizes");
  EXPECT_EQ(problems("type: whisper, path: w, init: random"),
            "c.yaml:1:10: 'path' and 'init: random' exclude each other: leave one out");
  EXPECT_EQ(problems("type: ced, init: random, width: 8"),
            "c.yaml:1:10: 'init: random' needs the sizes width, layers and heads");
  EXPECT_EQ(problems("type: mert, init: random, width: 48, layers: 1, heads: 5"),
            "c.yaml:1:10: 'width' (48) must be a multiple of 'heads' (5)");
  EXPECT_EQ(problems("type: whisper, init: random, width: 15, layers: 1, heads: 5"),
            "c.yaml:1:10: 'width' must be even: half of Whisper's positions are sines, half cosines");
  EXPECT_EQ(problems("type: mert, init: random, width: 24, layers: 1, heads: 4"),
            "c.yaml:1:10: 'width' (24) must be a multiple of 'position_groups' (16)");
  EXPECT_EQ(problems("type: ced, path: c, feature_mean: -3"),
            "c.yaml:1:10: 'feature_mean' and 'feature_std' go with 'init: random' only: a folder brings its own");
  EXPECT_EQ(problems("type: ced, init: random, width: 8, layers: 1, heads: 2, feature_std: 0, target_length: 15"),
            "c.yaml:1:80: 'encoder.feature_std' must be more than 0, got '0'\nc.yaml:1:98: 'encoder.target_length' "
            "must be at least 16, got '15'");
}

TEST(EncoderConfig, BuildsThroughTheRegistry) {
  TemporaryFolder folder;
  const auto file = folder.write("c.yaml", "encoder: {type: mert, init: random, width: 16, layers: 1, heads: 2}\n");
  Holder holder;
  load_config(file, {}, holder);
  const auto printed = folder.write("again.yaml", print_config(holder));
  Holder again;
  load_config(printed, {}, again);
  EXPECT_TRUE(compare_configs(holder, again).empty());
  const auto encoder = encoder_registry().build(again.encoder, {.seed = 3, .name = "music"});
  EXPECT_EQ(encoder->width(), 16);
  EXPECT_EQ(encoder->num_states(), 2);
  EXPECT_EQ(encoder_registry().choices().size(), 5u);
}

TEST(EncoderConfig, AStructMadeInCodeIsCheckedToo) {
  EXPECT_EQ(message_of([] { make_whisper({}, {}); }),
            "an encoder needs 'path' (a Hugging Face folder) or 'init: random' with sizes");
  MertConfig config;
  config.source.init = Init::kRandom;
  EXPECT_EQ(message_of([&] { make_mert(config, {}); }), "'init: random' needs the sizes width, layers and heads");
}

}  // namespace
}  // namespace usam
