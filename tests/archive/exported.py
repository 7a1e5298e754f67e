"""ECGs as hospital systems export them, written field by field, with a patient's name wherever one may stand."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import textwrap
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from cape_fed.signal.leads import LEADS

NAME = "Xaverius"
"""The patient's name; no word of a report or store may hold it."""
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def steps(ecg_mv: np.ndarray, microvolts: float, leads: Sequence[str] = LEADS) -> dict[str, np.ndarray]:
    """The ADC values of some leads at ``microvolts`` a step."""
    return {lead: np.rint(ecg_mv[LEADS.index(lead)] * 1000 / microvolts).astype(np.int64) for lead in leads}


def base64_of(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<i2").tobytes()).decode()


# GE MUSE

MUSE_PERSON = "<PatientID>4711</PatientID><PatientAge>61</PatientAge><AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender>"


def muse(
    leads: Mapping[str, np.ndarray],
    *,
    fs: int = 500,
    microvolts: str = "4.88",
    unit: str = "MICROVOLTS",
    statements: Sequence[str] = ("Normal sinus rhythm", f"seen by {NAME}"),
    person: str = MUSE_PERSON,
    crc_error: int = 0,
    extra: str = "",
    kinds: Sequence[str] = ("Median", "Rhythm"),
) -> bytes:
    def lead(name: str, values: np.ndarray) -> str:
        data = values.astype("<i2").tobytes()
        return (
            f"<LeadData><LeadByteCountTotal>{len(data)}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
            f"<LeadSampleCountTotal>{len(values)}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{microvolts}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
            f"<LeadSampleSize>2</LeadSampleSize><LeadDataCRC32>{zlib.crc32(data) ^ crc_error}</LeadDataCRC32>{extra}"
            f"<WaveFormData>{base64_of(values)}</WaveFormData></LeadData>"
        )

    def waveform(kind: str) -> str:
        shown = {name: 7 * values[: fs * 6 // 5] for name, values in leads.items()} if kind == "Median" else leads
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>{fs}</SampleBase>"
            f"<SampleExponent>0</SampleExponent>{''.join(lead(*item) for item in shown.items())}</Waveform>"
        )

    diagnosis = "".join(
        f"<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>{text}</StmtText></DiagnosisStatement>"
        for text in statements
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><!-- {NAME} --><RestingECG><MuseInfo><MuseVersion>8</MuseVersion>'
        f"</MuseInfo><PatientDemographics>{person}<PatientLastName>{NAME}</PatientLastName></PatientDemographics>"
        f"<TestDemographics><DataType>RESTING</DataType><Status>CONFIRMED</Status>"
        f"<OverreaderLastName>{NAME}</OverreaderLastName><AcquisitionDate>03-05-2024</AcquisitionDate>"
        f"<AcquisitionTime>10:00:00</AcquisitionTime></TestDemographics><Diagnosis>{diagnosis}</Diagnosis>"
        f"{''.join(map(waveform, kinds))}</RestingECG>"
    ).encode()


# HL7 aECG


def aecg(
    series: Sequence[Mapping[str, np.ndarray]],
    *,
    fs: float = 500,
    scale: str = '<scale value="5" unit="uV"/>',
    origin: str = '<origin value="0" unit="uV"/>',
    codes: Sequence[str] | None = None,
) -> bytes:
    def sequence(code: str, value: str) -> str:
        return f'<component><sequence><code code="{code}"/>{value}</sequence></component>'

    def one(leads: Mapping[str, np.ndarray], code: str) -> str:
        time = f'<value><head value="20240305100000"/><increment value="{1 / fs!r}" unit="s"/></value>'
        body = sequence("TIME_ABSOLUTE", time) + "".join(
            sequence(
                f"MDC_ECG_LEAD_{name.upper() if name[0] == 'V' else name}",
                f"<value>{origin}{scale}<digits>{' '.join(map(str, values))}</digits></value>",
            )
            for name, values in leads.items()
        )
        return (
            f'<component><series><code code="{code}"/><author><seriesAuthor><assignedPerson><name>{NAME}</name>'
            f"</assignedPerson></seriesAuthor></author><component><sequenceSet>{body}</sequenceSet></component>"
            f"</series></component>"
        )

    every = codes or ["RHYTHM"] * len(series)
    return (
        f'<?xml version="1.0"?><!-- {NAME} --><AnnotatedECG xmlns="urn:hl7-org:v3"><effectiveTime>'
        f'<low value="20240305100000"/></effectiveTime><componentOf><timepointEvent><componentOf><subjectAssignment>'
        f'<subject><trialSubject><id extension="4711"/><subjectDemographicPerson><name>{NAME}</name>'
        f'<administrativeGenderCode code="F"/><birthTime value="19620401"/></subjectDemographicPerson></trialSubject>'
        f"</subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
        f"{''.join(map(one, series, every))}</AnnotatedECG>"
    ).encode()


# Philips Sierra


def sierra(
    leads: Mapping[str, np.ndarray],
    *,
    fs: int = 500,
    resolution: str = "5",
    compressed: bool = False,
    statements: Sequence[str] = ("Sinus rhythm", f"REVIEWED BY {NAME}"),
    encoding: str = "utf-8",
) -> bytes:
    values = list(leads.values())
    raw = b"".join(map(xli, residuals(values))) if compressed else b"".join(v.astype("<i2").tobytes() for v in values)
    method = ' compression="XLI"' if compressed else ""
    said = "".join(f"<statement><leftstatement>{text}</leftstatement></statement>" for text in statements)
    signal = f"<resolution>{resolution}</resolution>" if resolution else ""
    milliseconds = len(values[0]) * 1000 // fs
    beats = "".join(
        f'<repbeat leadname="{name}"><waveform duration="400">{base64_of(7 * v[: fs * 2 // 5])}</waveform></repbeat>'
        for name, v in leads.items()
    )
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><!-- {NAME} --><restingecgdata xmlns="http://www3.medical.philips'
        f'.com"><documentinfo><documentname>{NAME}.xml</documentname><documenttype>SierraECG</documenttype>'
        f'<documentversion>1.04</documentversion></documentinfo><dataacquisition date="2024-03-05" time="10:00:00">'
        f"<signalcharacteristics><samplingrate>{fs}</samplingrate>{signal}<signalsigned>True</signalsigned>"
        f"<numberchannelsvalid>{len(values)}</numberchannelsvalid></signalcharacteristics></dataacquisition>"
        f"<patient><generalpatientdata><patientid>4711</patientid><name><lastname>{NAME}</lastname></name>"
        f"<age><years>61</years></age><sex>Female</sex></generalpatientdata></patient>"
        f"<interpretations><interpretation>{said}</interpretation></interpretations>"
        f'<waveforms><parsedwaveforms dataencoding="Base64"{method} numberofleads="{len(values)}" '
        f'leadlabels="{" ".join(leads)}" durationperchannel="{milliseconds}">{base64.b64encode(raw).decode()}'
        f'</parsedwaveforms><repbeats dataencoding="Base64" samplespersec="{fs}" resolution="5">{beats}</repbeats>'
        f"</waveforms></restingecgdata>"
    ).encode(encoding)


def residuals(values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What is stored of compressed leads: the limb leads as differences from what follows from I and II."""
    one, two, three, right, left, foot, *chest = values
    return [
        one, two, two - one - three, -right - (one + two) // 2, (one - three) // 2 - left,
        (two + three) // 2 - foot, *chest,
    ]  # fmt: skip


def xli(values: np.ndarray) -> bytes:
    """One lead as second differences, high bytes before low bytes, in LZW with codes of 10 bits."""
    s = values.astype(np.int64)
    bend = 2 * s[1:-1] - s[:-2] - s[2:]
    codes = np.concatenate((s[:2], bend[1:] + 64, [64])).astype(">i2")
    data = lzw(codes.view(np.uint8)[::2].tobytes() + codes.view(np.uint8)[1::2].tobytes())
    return struct.pack("<iHh", len(data), 0, int(bend[0])) + data


def xli_bomb(size: int) -> bytes:
    """A lead of about ``size`` bytes that is nothing but its longest string again and again."""
    codes = [0, *range(256, 1023), *[1022] * ((size * 8 - 7680) // 10)]
    text = "".join(f"{code:010b}" for code in codes)
    data = int(text + "0" * (-len(text) % 8), 2).to_bytes((len(text) + 7) // 8, "big")
    return struct.pack("<iHh", len(data), 0, 0) + data


def lzw(data: bytes, bits: int = 10) -> bytes:
    table = {bytes([byte]): byte for byte in range(256)}
    written, current = [], b""
    for byte in data:
        longer = current + bytes([byte])
        if longer in table:
            current = longer
            continue
        written.append(table[current])
        if len(table) <= (1 << bits) - 2:
            table[longer] = len(table)
        current = bytes([byte])
    written.append(table[current])
    text = "".join(f"{code:0{bits}b}" for code in written)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


# SCP-ECG

SCP_CODE = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64} | {f"V{n}": n + 2 for n in range(1, 7)}


def scp(
    leads: Mapping[str, np.ndarray],
    *,
    interval: int = 2000,
    nanovolts: int = 5000,
    differences: int = 2,
    huffman: bool = True,
    statements: Sequence[str] = ("SR", "IRBBB"),
    texts: Sequence[str] = (),
    first: int = 1,
) -> bytes:
    length = len(next(iter(leads.values())))

    def tag(number: int, value: bytes) -> bytes:
        return struct.pack("<BH", number, len(value)) + value

    person = (
        tag(0, NAME.encode() + b"\0") + tag(1, NAME.encode() + b"\0") + tag(2, b"4711\0")
        + tag(4, struct.pack("<HB", 61, 1)) + tag(5, struct.pack("<HBB", 1962, 4, 1))
        + tag(8, b"\2") + tag(20, NAME.encode() + b"\0")
        + tag(25, struct.pack("<HBB", 2024, 3, 5)) + tag(30, NAME.encode() + b"\0") + tag(255, b"")
    )  # fmt: skip
    definition = bytes([len(leads), 0b100 | len(leads) << 3]) + b"".join(
        struct.pack("<IIB", first, first + length - 1, SCP_CODE[name]) for name in leads
    )
    coded = [scp_coded(values, differences, huffman) for values in leads.values()]
    rhythm = (
        struct.pack("<HHBB", nanovolts, interval, differences, 0)
        + b"".join(struct.pack("<H", len(part)) for part in coded)
        + b"".join(coded)
    )

    def said(lines: Sequence[str], kind: bytes) -> bytes:
        return struct.pack("<BHBBBBBB", 1, 2024, 3, 5, 10, 0, 0, len(lines)) + b"".join(
            struct.pack("<BH", n + 1, len(kind) + len(text) + 1) + kind + text.encode() + b"\0"
            for n, text in enumerate(lines)
        )

    bodies = {1: person} | ({2: struct.pack("<H", 19999)} if huffman else {}) | {3: definition, 6: rhythm}
    bodies |= ({8: said(texts, b"")} if texts else {}) | {11: said(statements, b"\1")}
    return scp_file(bodies)


def scp_coded(values: np.ndarray, differences: int, huffman: bool) -> bytes:
    coded = values.astype(np.int64)
    if differences >= 1:
        coded = np.concatenate((coded[:1], np.diff(coded)))
    if differences == 2:
        coded = np.concatenate((values[:2], np.diff(values, 2)))
    if not huffman:
        return coded.astype("<i2").tobytes()
    text = "".join(map(scp_huffman, coded.tolist()))
    text += "0" * (-len(text) % 16)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def scp_huffman(value: int) -> str:
    """The default table of the standard."""
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + ("1" if value < 0 else "0")
    bits, prefix = (8, "1111111110") if -128 <= value < 128 else (16, "1111111111")
    return prefix + f"{value & ((1 << bits) - 1):0{bits}b}"


def scp_file(bodies: Mapping[int, bytes]) -> bytes:
    def section(number: int, body: bytes) -> bytes:
        body += b"\0" * (len(body) % 2)
        rest = struct.pack("<HIBB6s", number, len(body) + 16, 20, 20, b"SCPECG" if not number else bytes(6)) + body
        return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest

    sections = {number: section(number, body) for number, body in bodies.items()}
    directory = 16 + 10 * 12
    place, pointers = 7 + directory, struct.pack("<HII", 0, directory, 7)
    for number in range(1, 12):
        size = len(sections.get(number, b""))
        pointers += struct.pack("<HII", number, size, place if size else 0)
        place += size
    whole = section(0, pointers) + b"".join(sections.values())
    rest = struct.pack("<I", len(whole) + 6) + whole
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


# Mortara ELI


def mortara(
    leads: Mapping[str, np.ndarray], *, fs: int = 500, per_mv: str = "200", statement: str = "SINUS RHYTHM"
) -> bytes:
    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="{per_mv}" DURATION="{len(values)}" '
        f'SAMPLE_FREQ="{fs}" NAME="{name}" ENCODING="BASE64" DATA="{base64_of(values)}"/>'
        for name, values in leads.items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><!-- {NAME} --><ECG VERSION="1" ACQUISITION_TIME="20240305100000" '
        f'AGE="61" AGE_UNITS="YEARS" NUM_QRS="12" VENT_RATE="75" COMMENT="{NAME}"><SUBJECT LAST_NAME="{NAME}" '
        f'FIRST_NAME="{NAME}" ID="4711" GENDER="Female" DOB="19620401"/><SOURCE TYPE="RESTING" MODEL="ELI250" '
        f'MANUFACTURER="Mortara Instrument, Inc." ID="{NAME}"/><AUTOMATIC_INTERPRETATION><STATEMENT TEXT="{statement}" '
        f'REASON="{NAME}"/></AUTOMATIC_INTERPRETATION>{channels}</ECG>'
    ).encode()


# DICOM

ORIGINS = {"12-lead": "1.2.840.10008.5.1.4.1.1.9.1.1", "general": "1.2.840.10008.5.1.4.1.1.9.1.2"}
SYNTAX = {"explicit": "1.2.840.10008.1.2.1", "implicit": "1.2.840.10008.1.2", "big": "1.2.840.10008.1.2.2"}


def dicom_group(
    leads: Mapping[str, np.ndarray],
    *,
    fs: float = 500,
    kind: str = "SS",
    sensitivity: float | None = 2.5,
    factor: float | None = 2.0,
    unit: str | None = "uV",
    order: str = "<",
    offset: float = 0.0,
    scheme: str = "MDC",
    **special: Any,
) -> Any:
    """A multiplex group; ``special`` are attributes of the group, with ``channel_`` before them of each channel."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as DicomSequence

    def coded(value: str, of: str, meaning: str) -> Any:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, of, meaning
        return DicomSequence([code])

    def channel(name: str) -> Any:
        definition = Dataset()
        value = f"2:{SCP_CODE[name]}" if scheme == "MDC" else f"5.6.3-9-{SCP_CODE[name]}" if scheme == "SCPECG" else "X"
        definition.ChannelSourceSequence = coded(value, scheme, f"Lead {name} (Einthoven)")
        definition.ChannelLabel = NAME
        if sensitivity is not None:
            definition.ChannelSensitivity = sensitivity
        if unit is not None:
            definition.ChannelSensitivityUnitsSequence = coded(unit, "UCUM", "unit")
        if factor is not None:
            definition.ChannelSensitivityCorrectionFactor = factor
        definition.WaveformBitsStored = 8 * size
        for key, setting in special.items():
            if key.startswith("channel_"):
                setattr(definition, key.removeprefix("channel_"), setting)
        return definition

    group, values = Dataset(), np.stack(list(leads.values()))
    size = {"B": 1, "S": 2, "L": 4}[kind[1]]
    group.MultiplexGroupTimeOffset = offset
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = values.shape
    group.SamplingFrequency = fs
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = DicomSequence([channel(name) for name in leads])
    group.WaveformBitsAllocated = 8 * size
    group.WaveformSampleInterpretation = kind
    group.WaveformData = values.T.astype(f"{order}{'i' if kind[0] == 'S' else 'u'}{size}").tobytes()
    for key, setting in special.items():
        if not key.startswith("channel_"):
            setattr(group, key, setting)
    return group


def dicom_beat(leads: Mapping[str, np.ndarray], **special: Any) -> Any:
    """The median beat that stands beside a rhythm strip."""
    few = {name: 7 * values[:600] for name, values in leads.items()}
    labelled = {"MultiplexGroupLabel": "MEDIAN BEAT", "WaveformOriginality": "DERIVED"} | special
    return dicom_group(few, **labelled)


def write_dicom(
    path: Path, groups: Sequence[Any], *, kind: str = "12-lead", syntax: str = "explicit", **attributes: Any
) -> Path:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence as DicomSequence
    from pydicom.uid import UID, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(ORIGINS.get(kind, kind))
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = UID(SYNTAX.get(syntax, syntax))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.PatientID, dataset.PatientName, dataset.PatientSex, dataset.PatientAge = "4711", NAME, "F", "061Y"
    dataset.PatientComments = dataset.InstitutionName = dataset.StudyDescription = NAME
    note = Dataset()
    note.UnformattedTextValue = NAME
    dataset.WaveformAnnotationSequence = DicomSequence([note])
    block = dataset.private_block(0x1455, NAME, create=True)
    block.add_new(1, "LO", NAME)
    dataset.WaveformSequence = DicomSequence(list(groups))
    for key, value in attributes.items():
        setattr(dataset, key, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(
        path,
        enforce_file_format=True,
        little_endian=syntax != "big",
        implicit_vr=syntax == "implicit",
    ) if syntax in SYNTAX else dataset.save_as(path, enforce_file_format=True)
    return path


# As devices write them


def as_muse_exports(data: bytes, statements: Sequence[tuple[str, bool]]) -> bytes:
    """A file of ``muse`` in the form of MUSE 8.0.2: a document type, Latin-1, waveforms in lines of 68 letters.

    Of each of the ``statements``, which are parts of lines, it says whether a line ends with it.
    """
    text = data.decode().replace(
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n',
    )
    text = re.sub(r"(<WaveFormData>)(.*?)(</WaveFormData>)", partial(_in_lines, letters=68), text)
    offsets = "<LeadOffsetFirstSample>0</LeadOffsetFirstSample><FirstSampleBaseline>0</FirstSampleBaseline>"
    text = text.replace("<LeadSampleSize>", f"{offsets}<LeadSampleSize>")
    told = "".join(
        f"<DiagnosisStatement>{'<StmtFlag>ENDSLINE</StmtFlag>' * ends}<StmtFlag>USERINSERT</StmtFlag>"
        f"<StmtText>{part}</StmtText></DiagnosisStatement>"
        for part, ends in statements
    )
    machine = (
        "<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>ATRIAL FLUTTER</StmtText></DiagnosisStatement>"
    )
    text = re.sub(
        r"<Diagnosis>.*</Diagnosis>",
        f"<Diagnosis><Modality>RESTING</Modality>{told}</Diagnosis>"
        f"<OriginalDiagnosis>{machine}</OriginalDiagnosis><MeasurementMatrix>////f/9/</MeasurementMatrix>",
        text,
    )
    return text.encode("latin-1")


def as_sierra_1_03(data: bytes, statements: Sequence[tuple[str, str]]) -> bytes:
    """A compressed file of ``sierra`` in the form of version 1.03: no names of leads, the resolution by another name.

    ``statements`` have a left part, what is said, and a right part, why.
    """
    text = data.decode().replace(">1.04<", ">1.03<")
    text = text.replace(
        "<resolution>5</resolution>",
        "<signalresolution>5</signalresolution><signalbandwidth>0.05-150</signalbandwidth>"
        "<acquisitiontype>STD-12</acquisitiontype><bitspersample>16</bitspersample><signaloffset>0</signaloffset>",
    )
    text = text.replace(
        "</numberchannelsvalid>",
        "</numberchannelsvalid><numberchannelsallocated>12</numberchannelsallocated><leadset>STD-12</leadset>",
    )
    text = re.sub(
        r"<parsedwaveforms .*? (durationperchannel=.*?)>",
        r'<parsedwaveforms compressflag="True" compressmethod="XLI" filterflag="True" dataencoding="Base64" \1 '
        'nbitspersample="16">',
        text,
    )
    text = re.sub(r"(<parsedwaveforms [^>]*>)(.*?)(</parsedwaveforms>)", partial(_in_lines, letters=76), text)
    told = "".join(
        f"<statement><statementcode/><leftstatement>{escape(left)}</leftstatement>"
        f"<rightstatement>{escape(right)}</rightstatement></statement>"
        for left, right in statements
    )
    return re.sub(r"(<interpretation>).*(</interpretation>)", rf"\g<1>{told}\g<2>", text).encode()


def _in_lines(found: re.Match[str], letters: int) -> str:
    return found[1] + "\n".join(["", *textwrap.wrap(found[2], letters), "   "]) + found[3]
