#include <map>

#include "tools/inspect/inspection.h"
#include "tools/io/table.h"

namespace linnet::tools {
namespace {

using Align = io::Table::Align;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// Name and value, one a line, under a heading.
class Section {
 public:
  Section(std::string& out, const char* title) : out_(out) {
    out_ += std::string(out_.empty() ? "" : "\n") + title + "\n";
  }
  void row(const std::string& key, const std::string& value) {
    constexpr std::size_t kColumn = 22;
    const std::string gap(key.size() < kColumn ? kColumn - key.size() : 1, ' ');
    out_ += "  " + key + gap + io::harmless(value) + "\n";
  }
  void row(const std::string& key, std::int64_t value) { row(key, std::to_string(value)); }

 private:
  std::string& out_;
};

std::string heads_text(const ModelInspection& c) {
  bool same = true;
  std::string all;
  for (const std::int64_t heads : c.heads) {
    same = same && heads == c.heads.front();
    all += (all.empty() ? "" : " ") + std::to_string(heads);
  }
  return (same ? std::to_string(c.heads.front()) : all) + " of width " +
         std::to_string(c.head_width);
}

void write_model(std::string& out, const ModelInspection& found) {
  const ModelDescription& d = found.description;
  Section model(out, "Model");
  model.row("type", d.common.model_type + ", " + name(d.head));
  model.row("layers", d.layers);
  model.row("width",
            std::to_string(d.width) + ", feed-forward " + std::to_string(found.feed_forward));
  model.row("heads", heads_text(found));
  model.row("vocabulary", d.vocab_size);
  model.row("positions", d.positions);
  if (found.token_types > 0) model.row("token types", found.token_types);
  if (d.head != HeadKind::kBase && !d.common.labels.empty()) {
    model.row("labels", std::to_string(d.common.labels.size()) + ": " + joined(d.common.labels));
  }
  if (found.max_length) model.row("longest text", std::to_string(*found.max_length) + " tokens");
  if (found.sentence) {
    model.row("embedding", std::to_string(found.sentence->dimensions(d.width)) +
                               " dimensions, compared by " + found.sentence->similarity);
    for (const auto& [prompt, text] : found.sentence->prompts) model.row("prompt " + prompt, text);
  }
}

void write_tokenizer(std::string& out, const tokenizer::Tokenizer& t) {
  const tokenizer::Facts& facts = t.facts();
  Section section(out, "Tokenizer");
  section.row("model", facts.model + (facts.lowercase ? ", lower case" : ""));
  section.row("tokens", std::to_string(t.vocab_size()) + ", " +
                            std::to_string(t.added_tokens().size()) + " of them added");
  section.row("special tokens added", std::to_string(t.added_specials()) + " to a text, " +
                                          std::to_string(t.added_specials_pair()) + " to a pair");
  if (facts.model_max_length) section.row("longest text", *facts.model_max_length);
  std::vector<std::string> recorded;
  if (facts.truncation) recorded.emplace_back("truncation");
  if (facts.padding) recorded.emplace_back("padding");
  if (!recorded.empty()) section.row("recorded, not applied", joined(recorded));
}

void write_files(std::string& out, const weights::Checkpoint& checkpoint) {
  Section section(out, "Files");
  for (const weights::Safetensors& file : checkpoint.files()) {
    section.row(file.file().name(),
                std::to_string(file.tensors().size()) + " tensors, " +
                    size_text(static_cast<std::int64_t>(file.file().bytes().size())));
  }
  std::map<std::string, std::int64_t> elements;
  for (const weights::TensorView& t : checkpoint.tensors()) {
    elements[weights::name(t.dtype)] += t.elements();
  }
  for (const auto& [dtype, count] : elements) {
    section.row("values in " + dtype, count);
  }
}

void write_account(std::string& out, const ModelInspection& found) {
  std::map<weights::Fate, std::int64_t> counts;
  for (const weights::NameAccount& a : found.account) ++counts[a.fate];
  Section section(out, "Tensors");
  for (const auto& [fate, count] : counts) section.row(name(fate), count);
}

void write_tensors(std::string& out, const Inspection& inspection) {
  io::Table table({{"tensor"}, {"type"}, {"shape"}, {"bytes", Align::kRight}, {"fate"}});
  std::map<std::string_view, weights::Fate> fates;
  if (inspection.model) {
    for (const auto& a : inspection.model->account) fates.emplace(a.original, a.fate);
  }
  for (const weights::TensorView& t : inspection.checkpoint.tensors()) {
    const auto fate = fates.find(t.name);
    table.add({std::string(t.name), weights::name(t.dtype), weights::shape_text(t.shape),
               std::to_string(t.bytes.size()), fate == fates.end() ? "" : name(fate->second)});
  }
  out += "\n" + table.text();
}

}  // namespace

std::string size_text(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  std::size_t unit = 0;
  std::int64_t tenths = bytes * 10;
  for (; tenths >= 10240 && unit + 1 < std::size(kUnits); ++unit) tenths = (tenths + 512) / 1024;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + kUnits[unit];
}

std::string inspection_text(const Inspection& inspection, bool with_tensors) {
  std::string out;
  if (inspection.model) write_model(out, *inspection.model);
  if (inspection.tokenizer) {
    write_tokenizer(out, *inspection.tokenizer);
  } else {
    Section(out, "Tokenizer").row("model", "none");
  }
  write_files(out, inspection.checkpoint);
  if (inspection.model) {
    const ModelInspection& model = *inspection.model;
    write_account(out, model);
    Section memory(out, "Memory at most");
    memory.row("packed parameters", size_text(model.parameter_bytes));
    memory.row("word embeddings", size_text(model.embedding_bytes));
    memory.row("one session", size_text(model.session_bytes));
    if (model.cache_bytes > 0) memory.row("keys and values", size_text(model.cache_bytes));
    memory.row("together", size_text(model.total_bytes()));
  }
  if (with_tensors) write_tensors(out, inspection);
  return out;
}

}  // namespace linnet::tools
